"""Fine-tuning a folder of the public layout on pictures of one's own: what changes, and what stays."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.reader import load_checkpoint
from engine.checkpoints.tokenizer import FILES
from engine.lab.training import unified
from engine.lab.training.adapters import TARGETS, add_adapters
from engine.lab.training.losses import training_losses
from engine.lab.training.packing import NoisedSplit, Packer, TextSplit, VitSplit
from engine.lab.training.starting_point import begin_from, load_tokenizer, new_model
from tests.engine.lab.command_line import restroke
from tests.engine.lab.training.test_conversations import row, write

PUBLIC = Path("tests/fixtures/bagel-tiny/ckpt")
KEPT = (*FILES, "ae.safetensors", "llm_config.json", "vit_config.json", "config.json", "protocol.toml")
USUAL_POOL = unified.POOL
ADAPTED = re.compile(TARGETS + r"\.weight")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BAGEL-shaped checkpoint in two shards, with resize rules for small pictures; two rows beside it."""
    folder = tmp_path_factory.mktemp("base")
    shutil.copytree(PUBLIC, folder, dirs_exist_ok=True)
    weights = load_file(folder / "ema.safetensors")
    (folder / "ema.safetensors").unlink()
    for number, names in enumerate((sorted(weights)[:50], sorted(weights)[50:]), 1):
        part = {name: weights[name] for name in names}
        save_file(part, folder / f"ema-{number:05}-of-00002.safetensors")
    own = {"vae_transform": [64, 32, 16], "vit_transform": [56, 28, 14], "title": "Somebody's"}
    config = json.loads((folder / "config.json").read_text()) | own
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "protocol.toml").write_text("# its own words\n")
    (folder / "pictures").mkdir()
    write(folder / "pictures", row(), row())
    return folder


@pytest.fixture(scope="module", autouse=True)
def small_pool() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unified, "POOL", 2)
        yield


@pytest.fixture(scope="module")
def adapted(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``base`` was fine-tuned through adapters, exported to ``out``."""
    folder = tmp_path_factory.mktemp("adapted")
    fine_tuned(base, folder, "--rank", "2")
    return folder


def plan(folder: Path) -> Path:
    """Two steps at a rate that shows in bfloat16."""
    folder.mkdir(exist_ok=True)
    path = folder / "plan.toml"
    stage = '[[stage]]\nname = "pictures"\nsteps = 2\ntokens = 60\nshares = { pictures = 1.0 }\n'
    path.write_text(stage + "matrix_rate = 0.05\nother_rate = 0.05\n")
    return path


def fine_tuned(base: Path, folder: Path, *more: str) -> Path:
    """What the two commands make of ``base`` and its pictures."""
    where = ["--work", folder / "work", "--device", "cpu"]
    own = ["--plan", plan(folder), "--pictures", base / "pictures", *more]
    assert restroke("train", "unified", *where, "--begin-from", base, *own) == 0
    assert restroke("train", "export", *where, "--out", folder / "out", "--machine", "a GPU") == 0
    return folder / "out"


def test_adapters_change_their_projections_and_nothing_else(base: Path, adapted: Path) -> None:
    out = adapted / "out"
    before, after = load_file(PUBLIC / "ema.safetensors"), load_file(out / "ema.safetensors")
    assert before.keys() == after.keys()
    for name, weight in before.items():
        assert after[name].dtype == weight.dtype
        assert torch.equal(after[name], weight) == (ADAPTED.fullmatch(name) is None), name
    for name in KEPT:
        assert (out / name).read_bytes() == (base / name).read_bytes()
    loaded = load_checkpoint(out)
    assert loaded.extras["title"] == "Somebody's" and not loaded.notes
    (stage,) = json.loads((out / "training.json").read_text())
    assert stage["machine"] == "a GPU" and stage["steps"] == 2 and stage["noised_pictures"] > 0
    assert list(stage["velocity_error"]) == ["pictures"]


def test_a_state_holds_what_is_trained_and_goes_on(base: Path, adapted: Path, tmp_path: Path) -> None:
    shutil.copytree(adapted, tmp_path, dirs_exist_ok=True)
    state = load_file(tmp_path / "work" / "unified.state.safetensors")
    assert any(".lora_B." in name for name in state)
    assert not any("base_layer" in name or "embed_tokens" in name for name in state)
    where = ["--work", tmp_path / "work", "--plan", tmp_path / "plan.toml", "--device", "cpu"]
    own = ["--pictures", base / "pictures", "--rank", 2, "--steps", 3]
    assert restroke("train", "unified", *where, *own) == 0
    assert json.loads((tmp_path / "work" / "unified.json").read_text())["steps"] == 3


def test_without_a_rank_all_weights_are_trained_and_the_tables_stay(base: Path, tmp_path: Path) -> None:
    out = fine_tuned(base, tmp_path)
    before, after = load_file(PUBLIC / "ema.safetensors"), load_file(out / "ema.safetensors")
    assert {value.dtype for value in after.values()} == {torch.bfloat16}
    for name in ("llm2vae.weight", "connector.fc1.weight", "language_model.lm_head.weight"):
        assert not torch.equal(after[name], before[name])
    assert torch.equal(after["latent_pos_embed.pos_embed"], before["latent_pos_embed.pos_embed"])
    assert load_checkpoint(out).model.config == load_checkpoint(PUBLIC).model.config


def test_frozen_weights_take_two_bytes_and_adapters_learn_beside_them(base: Path, tmp_path: Path) -> None:
    begin_from(base, tmp_path, 0)
    model = add_adapters(new_model(tmp_path, 0, "bf16"), 2)
    dtypes = {p.requires_grad: p.dtype for p in model.parameters()}
    assert dtypes == {False: torch.bfloat16, True: torch.float32}
    generator = torch.Generator().manual_seed(0)
    picture = NoisedSplit(torch.randn(16, 4, 4, generator=generator))
    seen, tokens = VitSplit(torch.rand(3, 28, 28, generator=generator)), load_tokenizer(tmp_path, 0).tokens
    batch = Packer(model.config, tokens, generator=generator).pack(
        [[TextSplit([7, 8], loss=True), seen, picture]]
    )
    with torch.autocast("cpu", torch.bfloat16):
        losses = training_losses(model, batch)
    (losses.ce_mean + losses.mse_mean).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if ".lora_B." in name}
    assert all(gradient.dtype == torch.float32 and gradient.any() for gradient in gradients.values())


def test_accelerate_launches_two_processes_with_so_many_tokens_each(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unified, "POOL", USUAL_POOL)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    wish = ["unified", "--device", "cpu", "--begin-from", f"{base}", "--plan", f"{plan(tmp_path)}"]
    own = ["--pictures", f"{base / 'pictures'}", "--tokens", "700"]
    command = [*launch, "-m", "engine.lab.training", *wish, *own, "--work", f"{tmp_path / 'work'}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    log = json.loads((tmp_path / "work" / "unified.json").read_text())
    alone = fine_tuned(base, tmp_path / "alone", "--tokens", "1400")
    (stage,) = json.loads((alone / "training.json").read_text())
    assert log["steps"] == stage["steps"] == 2
    assert log["images"] == stage["noised_pictures"] > 2 * 2


def test_storybook_data_is_refused_in_words(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin_from(base, tmp_path, 0)
    for stage in (["unified", "--shards", 1], ["data", "--shards", 1], ["autoencoder", "--decoder-only"]):
        assert restroke("train", *stage, "--work", tmp_path, "--device", "cpu") == 1
        assert "--pictures" in capsys.readouterr().err
