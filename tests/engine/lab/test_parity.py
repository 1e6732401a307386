"""The engine against the recorded outputs, and the comparison against its own blindness."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.lab.parity.cases import run_case, run_folder
from engine.lab.parity.fixture import Fixture
from engine.lab.parity.golden import stems
from tests.engine.lab.command_line import restroke
from tests.tiny import FOLDER


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parity") / "copy"
    shutil.copytree(FOLDER, folder)
    (folder / "README.md").unlink()
    return folder


@pytest.fixture(scope="module")
def fixture(copy: Path) -> Fixture:
    return Fixture(copy)


@pytest.mark.parametrize("stem", stems(FOLDER / "golden"))
def test_case_agrees_with_the_reference(fixture: Fixture, stem: str) -> None:
    row = run_case(fixture, stem)
    assert row.ok, (row.remark, [c for c in row.checks if not c.ok])


def test_transforms_are_inferred_from_the_recorded_pictures(fixture: Fixture) -> None:
    assert (fixture.vae.max_size, fixture.vae.min_size, fixture.vae.stride) == (128, 32, 16)
    assert (fixture.vit.max_size, fixture.vit.min_size, fixture.vit.stride) == (112, 28, 14)


@pytest.mark.parametrize(
    ("stem", "tensor"),
    [
        ("vit", "layers"),
        ("vae", "moments"),
        ("text", "p2.cache_v"),
        ("understand", "think_q.logits"),
        ("t2i_batch2", "final_1"),
        ("edit_global", "llm2vae_raw_first_2"),
        ("irg", "turn2_latents"),
        ("train", "grad_norms"),
    ],
)
def test_a_wrong_tensor_fails(fixture: Fixture, stem: str, tensor: str) -> None:
    path = fixture.golden / f"{stem}.safetensors"
    right = load_file(path)
    wrong = {k: v.clone() for k, v in right.items()}
    wrong[tensor].view(-1)[-1] += 0.01
    try:
        save_file(wrong, path)
        assert run_case(fixture, stem).ok is False
    finally:
        save_file(right, path)


@pytest.mark.parametrize(
    ("stem", "path", "value"),
    [
        ("tokens", ("cases", 1, "ids", 2), 7),
        ("preprocess", ("resize", 9, "out_height_width", 0), 99),
        ("think_edit", ("text", 0), "another thought"),
        ("t2i_base", ("context", "cfg_text", "kv_len"), 1),
        ("t2i_taylorseer", ("context", "call", "enable_taylorseer"), False),
        ("train", ("ce_mean",), 8.0),
    ],
)
def test_a_wrong_field_fails(fixture: Fixture, stem: str, path: tuple[str | int, ...], value: object) -> None:
    file = fixture.golden / f"{stem}.json"
    right = file.read_text()
    wrong = json.loads(right)
    place = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    try:
        file.write_text(json.dumps(wrong))
        assert run_case(fixture, stem).ok is False
    finally:
        file.write_text(right)


def test_a_value_nobody_compares_fails(fixture: Fixture) -> None:
    path = fixture.golden / "vae.safetensors"
    right = load_file(path)
    try:
        save_file({**right, "surprise": torch.zeros(1)}, path)
        row = run_case(fixture, "vae")
    finally:
        save_file(right, path)
    assert row.ok is False and "surprise" in row.remark


def test_unknown_cases_fail(fixture: Fixture) -> None:
    (fixture.golden / "mystery.json").write_text('{"a": 1}')
    try:
        assert run_case(fixture, "mystery").remark == "unknown kind of case"
    finally:
        (fixture.golden / "mystery.json").unlink()


def test_the_command_prints_a_table_and_an_exit_code(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = tmp_path / "small"
    shutil.copytree(copy, small)
    for path in (small / "golden").iterdir():
        if path.name.startswith(("t2i", "edit", "think", "irg", "train")):
            path.unlink()
    assert restroke("parity", small) == 0
    assert "prefill_image_cache" in capsys.readouterr().out
    tensors = load_file(small / "golden" / "prefill_image_cache.safetensors")
    tensors["k"][0, 0, 0, 0] += 1
    save_file(tensors, small / "golden" / "prefill_image_cache.safetensors")
    assert restroke("parity", small) == 1
    assert "FAILED" in capsys.readouterr().out
    assert restroke("parity", tmp_path / "nothing") == 1
    assert "no golden/ folder" in capsys.readouterr().err


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "golden").mkdir()
    with pytest.raises(ValueError, match="no recorded cases"):
        run_folder(tmp_path)


def test_a_broken_recording_that_every_case_needs_is_a_sentence(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(copy, broken)
    tensors = broken / "golden" / "vit.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:1000])
    assert restroke("parity", broken) == 1
    assert "can't be run" in capsys.readouterr().err
    shutil.rmtree(broken / "ckpt")
    assert restroke("parity", broken) == 1
    assert "no checkpoint folder" in capsys.readouterr().err
