"""The dry run's arithmetic, and its curves' picture."""

from __future__ import annotations

import shlex

import pytest
from PIL import Image

from engine.core.assets import default_checkpoint
from engine.lab.training.curves import draw_curves
from engine.lab.training.dry_run import TRAINED_BYTES, dry_run, need
from engine.model.config import BAGEL_7B
from tests.engine.lab.command_line import parsed


def test_the_7b_is_split_evenly_over_the_gpus() -> None:
    one, eight = (need(BAGEL_7B, gpus=n, tokens=1000, rank=None) for n in (1, 8))
    assert round(sum(one.parts.values()) / 1e6) == 14575
    use = "trained weights and optimiser"
    assert one.bytes_by_use[use] == sum(one.parts.values()) * TRAINED_BYTES == 8 * eight.bytes_by_use[use]
    assert one.bytes_by_use["two layers gathered"] == 0 < eight.bytes_by_use["two layers gathered"]


def test_adapters_leave_the_rest_frozen() -> None:
    found = need(BAGEL_7B, gpus=1, tokens=1000, rank=16)
    hidden, inner, keys = 3584, 18944, 512
    layer = 2 * 16 * (2 * 2 * hidden + 2 * (hidden + keys) + 3 * (hidden + inner))
    assert found.trained == 28 * layer
    assert found.gib < 40


def test_a_folder_is_read_by_its_headers() -> None:
    text = dry_run(default_checkpoint(), gpus=2, tokens=8192, rank=None)
    assert "0.011 billion weights" in text and "split over 2 GPUs" in text


def test_the_command_it_names_is_one_that_can_be_given() -> None:
    text = dry_run(None, gpus=1, tokens=8192, rank=16)
    start, *words = shlex.split(text.splitlines()[-1])
    args = parsed(*words)
    assert start == "restroke" and (args.stages, args.plan, args.rank) == (("unified",), "pictures", 16)
    assert args.tokens == 8192
    assert args.recompute and not args.sharded and str(args.begin_from) == "BAGEL_FOLDER"
    split = dry_run(default_checkpoint(), gpus=2, tokens=8192, rank=None)
    assert "accelerate launch --num_processes 2 -m engine.lab.training unified" in split
    assert "--sharded" in split and "--rank" not in split


def test_less_than_one_of_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        need(BAGEL_7B, gpus=0, tokens=1, rank=None)


def test_curves_are_drawn(tmp_path) -> None:
    points = [
        {"steps": 20 * n, "stage": "x", "ce/mse/cells": {"direct": [0.0, 1 / (n + 1), 2 / (n + 1)]}}
        for n in range(5)
    ]
    draw_curves({"curve": points}, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.width > 1000 and len(picture.convert("RGB").getcolors(1 << 20)) > 50
    with pytest.raises(ValueError, match="no point"):
        draw_curves({"curve": []}, tmp_path / "none.png")
