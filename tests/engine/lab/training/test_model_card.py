"""The model card: made of the checkpoint's records and of nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.core.assets import default_checkpoint
from engine.lab.training.model_card import protocol_rows, scores, stage_rows, world, write_model_card


def test_the_shipped_one_says_what_the_checkpoint_s_records_say(tmp_path: Path) -> None:
    folder = tmp_path / "default"
    shutil.copytree(default_checkpoint(), folder)
    (folder / "README.md").unlink()
    write_model_card(folder)
    assert (folder / "README.md").read_text() == (default_checkpoint() / "README.md").read_text()


def test_every_figure_has_its_interval_and_every_run_its_command(tmp_path: Path) -> None:
    def figure(mean: float, **more: float) -> dict[str, Any]:
        return {"mean": mean, "ci95": [mean - 0.1, mean + 0.1], "n": 20, **more}

    fingerprint = {"checkpoint": "abc", "precision": "float32", "device": "cpu"}
    about = {
        "command": "python -m x",
        "date": "2026-01-02T03:04:05",
        "seconds": 7.2,
        "fingerprint": fingerprint,
    }
    note = {"note": "an upper bound", "pictures": 1.5, "fingerprint": fingerprint}
    report = {
        "story": {"direct": {"colours": figure(0.5)}, "best": {"colours": figure(0.75)}},
        "steering": {
            "process": {"edits": figure(2.0, median=1.5), "none": {"mean": None, "ci95": None, "n": 0}}
        },
        "runs": {"story": {"direct": about, "best": note}, "steering": {"process": about}},
    }
    text = scores(report, [])
    assert "| colours | 0.500 [0.400, 0.600] n = 20 | 0.750 [0.650, 0.850] n = 20 |" in text
    assert "| edits | 2.000 [1.900, 2.100], median 1.5 n = 20 |" in text and "| none |  |" in text
    assert text.count("`python -m x`, 2026-01-02, 7 s, float32 on cpu") == 2
    assert "- best (1.5 pictures): an upper bound" in text
    assert "Nothing is measured yet" in scores({}, [])


def test_stages_whose_data_did_not_keep_clear_are_counted() -> None:
    report = {"story": {}, "runs": {"story": {}}}
    early, later = {"stage": "unified"}, {"stage": "unified", "keeps_clear": True}
    text = scores(report, [{"stage": "autoencoder"}, early, early, later])
    assert "training keeps clear of (those of the first 2 of 3 trainings did not yet)." in text
    assert "training keeps clear of. Brackets" in scores(report, [later])


def test_figures_of_other_weights_make_no_card(tmp_path: Path) -> None:
    run = {"fingerprint": {"checkpoint": "of other weights"}}
    (tmp_path / "evaluation.json").write_text(json.dumps({"story": {}, "runs": {"story": {"direct": run}}}))
    with pytest.raises(ValueError, match="other weights"):
        write_model_card(tmp_path)
    assert not (tmp_path / "README.md").exists()


def test_the_autoencoder_s_likeness_is_told_as_far_as_it_was_measured() -> None:
    stage = {"stage": "autoencoder", "machine": "m", "minutes": 1, "steps": 2, "psnr": 30.12}
    assert "PSNR 30.1 dB |" in stage_rows([stage])
    assert "PSNR 30.1 dB, SSIM 0.987 |" in stage_rows([stage | {"ssim": 0.9871}])


def test_the_error_of_every_family_is_told() -> None:
    stage = {
        "stage": "unified",
        "machine": "m",
        "minutes": 1,
        "steps": 2,
        "noised_pictures": 1234,
        "shards": 5,
    }
    row = stage_rows([stage | {"velocity_error": {"whole": 0.21, "words": 0.0, "initial full": 0.1234}}])
    assert "| 1,234 noised pictures of 5 shards | error whole 0.210, initial full 0.123 |" in row
    row = stage_rows([stage | {"velocity_error": {"pictures": 0.5}}])
    assert "| 1,234 noised pictures of somebody's own | error pictures 0.500 |" in row


def test_what_it_can_paint_is_what_the_world_and_the_config_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "up to 5 things" in world() and "up to 4 alike" in world() and "or behind each other" in world()
    for kind in ("BACKGROUNDS", "KINDS", "COLOURS", "SIZES"):
        before = world()
        monkeypatch.setattr(f"engine.lab.training.model_card.{kind}", range(77))
        assert world() != before
    rows = protocol_rows({"protocols": ["irg", "direct"]})
    assert rows.startswith("- direct: Draws") and "\n- irg: Thinks" in rows and "process" not in rows


def test_another_model_gets_no_card(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="isn't a storybook model"):
        write_model_card(tmp_path)
    assert not (tmp_path / "README.md").exists()
