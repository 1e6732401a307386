"""Two processes take the steps of one, with a copy of the model each or with the model split over them."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from torch import multiprocessing

from engine.lab.training import sharding, unified
from engine.lab.training.packing import NoisedSplit, Split, TextSplit, VaeSplit, VitSplit
from engine.lab.training.stages import Stage
from engine.lab.training.unified import TrainingRun, train
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig
from tests.engine.model.test_packed_forward import TOKENS

CONFIG = BagelConfig(
    LanguageConfig(32, 2, 2, 1, 64, 96),
    VisionConfig(32, 1, 2, 64, patch_size=16, positions=64),
    16,
    2,
    8,
    32,
    8,
)
SHARES = {"direct": 0.5, "edit": 0.5}
SMALL = Stage("small", 2, SHARES, SHARES, tokens=400)
RUN, LONGER = TrainingRun([SMALL]), TrainingRun([SMALL, replace(SMALL, name="more", steps=1)])


class MadeUp:
    """Samples of noise: with pictures, or of words alone, so that processes differ in what they have."""

    def draw(self, family: str, rng: random.Random, generator: torch.Generator) -> list[Split]:
        text = TextSplit([rng.randrange(8, 90) for _ in range(rng.randrange(3, 30))], loss=True)
        if rng.random() < 0.5:
            return [text]
        latent = torch.randn(16, 4, 4, generator=generator)
        target = NoisedSplit(latent, end_loss=True, cover=torch.ones(2, 4, 4, dtype=torch.uint8))
        if family == "direct":
            return [text, target]
        seen = torch.rand(3, 32, 32, generator=generator)
        return [text, VaeSplit(latent), VitSplit(seen), text, target]


def trained(folder: Path, run: TrainingRun) -> None:
    """A small training in ``folder``, or what is left of it."""
    folder.mkdir(exist_ok=True)
    train(folder, Bagel.random(CONFIG, 0), lambda stage: MadeUp(), TOKENS, run)


def process(rank: int, ports: dict[str, int], folder: Path) -> None:
    """One of two processes: trains with a copy each, split, and goes on split from one process's state."""
    torch.set_num_threads(1)
    unified.POOL = 8
    for name, port in ports.items():
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        is_split, run = name != "copied", LONGER if name == "resumed" else RUN
        trained(folder / name, replace(run, is_sharded=is_split, recomputes=is_split))
        AcceleratorState._reset_state(reset_partial_state=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_two_processes_take_the_steps_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unified, "POOL", 8)
    trained(tmp_path / "one", RUN)
    for name in ("longer", "resumed"):
        shutil.copytree(tmp_path / "one", tmp_path / name)
    trained(tmp_path / "longer", LONGER)
    ports = {name: free_port() for name in ("copied", "split", "resumed")}
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__, "torch.distributed.fsdp"])  # the two share what it has imported
    multiprocessing.start_processes(process, (ports, tmp_path), nprocs=2, start_method="forkserver")
    for name, wanted in (("copied", "one"), ("split", "one"), ("resumed", "longer")):
        log, other = (json.loads((tmp_path / n / "unified.json").read_text()) for n in (wanted, name))
        assert other["images"] == log["images"] > 0
        assert other["means"].keys() == log["means"].keys()
        for family, values in log["means"].items():
            assert other["means"][family] == pytest.approx(values, rel=2e-3, abs=1e-6)
        states = [load_file(tmp_path / n / "unified.state.safetensors") for n in (wanted, name)]
        assert states[0].keys() == states[1].keys()
        for key in states[0]:
            if key.startswith(("tensors.average", "module")):
                torch.testing.assert_close(states[1][key], states[0][key], rtol=2e-2, atol=1e-3)


def test_recomputed_layers_have_the_same_gradients() -> None:
    gradients = []
    for recomputes in (False, True):
        module = unified.TrainingModule(Bagel.random(CONFIG, 0))
        torch.nn.init.ones_(module.cells.linear.weight)
        if recomputes:
            sharding.recompute_layers(module.model)
        packer = unified.Packer(CONFIG, TOKENS, generator=torch.Generator().manual_seed(0))
        samples = [
            MadeUp().draw("edit", random.Random(n), torch.Generator().manual_seed(n)) for n in range(6)
        ]
        module(packer.pack(samples)).sum().backward()
        gradients.append({name: p.grad for name, p in module.named_parameters()})
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)


def test_one_process_has_nothing_to_split(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="several with accelerate launch"):
        trained(tmp_path / "alone", replace(RUN, is_sharded=True))
