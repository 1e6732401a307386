"""``restroke check`` on made-up gpus: what it prints of one, of several, and of every profile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from bitsandbytes.functional import quantize_blockwise
from safetensors.torch import load_file, save_file

from app import main
from engine.checkpoints.reader import load_checkpoint
from engine.checkpoints.sizes import LM_HEAD
from engine.checkpoints.validated_folder import validate_folder
from engine.placement import planner
from engine.placement.check import report
from engine.placement.memory_estimate import estimate_memory
from engine.placement.planner import MARGIN, Gpu, choose_placement
from engine.placement.profiles import MIB, PROFILES
from tests.fake_gpu import GPU, Watched
from tests.tiny import CKPT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(CKPT, tmp_path / "model")
    return tmp_path / "model"


def gpu(free: int, number: int = 0) -> Gpu:
    return Gpu(f"cuda:{number}", f"GPU {number}", free, 2 * free, True)


def sharing(device: str) -> list[Gpu]:
    """Two gpus that must share the layers of the tiny model: the first lacks the room for half of them."""
    wanted = estimate_memory(validate_folder(CKPT), PROFILES["48gb"], device)
    layers = sum(wanted.on_device[part] for part in ("understanding expert", "drawing expert"))
    free = int((wanted.bytes - layers * 0.4) / (1 - MARGIN))
    return [Gpu(device, "GPU 0", free, free, True), gpu(free, 1)]


def lines(folder: Path, *gpus: Gpu, **wish: str) -> list[str]:
    """The report for these gpus, line by line."""
    found = choose_placement(folder, gpus=gpus, **{"profile": None, "precision": None, **wish})
    return report(found).splitlines()


def test_a_gpu_is_named_with_its_memory() -> None:
    said = lines(CKPT, gpu(12 * 1024 * MIB))
    assert "GPU        GPU 0 (cuda:0): 12.0 of 24.0 GiB free" in said
    assert "profile    48gb: nothing quantised" in said
    assert not any(line.startswith(("copy", "host", "note")) for line in said)
    assert any("room for a text" in line for line in said)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("24gb", "fp8; autoencoder whole"),
        ("16gb", "nf4; autoencoder whole"),
        ("12gb", "nf4 with the LM head; autoencoder in tiles of 512 pixels"),
    ],
)
def test_every_profile_says_how_it_runs_and_whether_a_copy_is_there(
    folder: Path, profile: str, words: str
) -> None:
    wish, here = PROFILES[profile], gpu(12 * 1024 * MIB)
    said = lines(folder, here, profile=profile)
    assert f"precision  {words}; guidance sequential" in said
    assert "copy       none: quantised while loading" in said
    on_host = [line for line in said if line.startswith("host")]
    assert len(on_host) == wish.embeddings_on_host and all("token embeddings" in line for line in on_host)
    load_checkpoint(folder, precision=wish.precision, head=wish.head, copy=True)
    name = f"quantised-{wish.precision}{'+head' if wish.head else ''}.safetensors"
    assert f"copy       {name}" in lines(folder, here, profile=profile)
    (folder / name).write_bytes((folder / name).read_bytes()[:-100])
    said = lines(folder, here, profile=profile)
    assert "copy       none: quantised while loading" in said
    assert said[-1].startswith(f"note       {name} is cut short or damaged, so it was ignored")


def test_all_gpus_that_share_the_layers_are_named() -> None:
    said = lines(CKPT, *sharing("cuda:0"), profile="48gb")
    named = [line for line in said if line.startswith("GPU")]
    assert [line.partition(": ")[0] for line in named] == [
        "GPU        GPU 0 (cuda:0)",
        "GPU        GPU 1 (cuda:1)",
    ]


@pytest.mark.parametrize("profile", ["48gb", "24gb", "16gb", "12gb"])
def test_the_whole_command_runs_on_a_gpu(
    profile: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the fake GPU (:mod:`tests.fake_gpu`), which has the time of none but runs all the code."""
    quantize_blockwise(torch.zeros(64))  # makes a table that bitsandbytes keeps: not one without numbers
    gpus = sharing(str(GPU)) if profile == "48gb" else [Gpu(str(GPU), "GPU 0", 2**34, 2**34, True)]
    monkeypatch.setattr(planner, "gpus_here", lambda: gpus)
    with Watched():
        assert main(["check", "--checkpoint", str(CKPT), "--profile", profile]) == 0
    said = capsys.readouterr()
    assert f"profile    {profile}: " in said.out and not said.err
    assert said.out.count("\nGPU  ") == len(gpus)
    assert "a picture of 1024x1024 with " in said.out.splitlines()[-1]


def test_a_head_that_is_the_embedding_table_is_not_said_to_be_quantised(folder: Path) -> None:
    tensors = load_file(folder / "ema.safetensors")
    tensors.pop(LM_HEAD)
    save_file(tensors, folder / "ema.safetensors")
    load_checkpoint(folder, precision="nf4", head=True, copy=True)
    said = lines(folder, gpu(12 * 1024 * MIB), profile="12gb")
    assert any(line.startswith("precision  nf4; autoencoder in tiles") for line in said)
    assert "copy       quantised-nf4.safetensors" in said
