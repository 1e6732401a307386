"""Shards with pictures that a model painted: they are seen as they are and never a target of their own."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.lab.storybook.scene.scene import Scene
from engine.lab.training import shards
from engine.lab.training.data.cases import mismatch_case
from engine.lab.training.data.sampled import keep_picture, write_scripts
from engine.lab.training.data.script import Painted, Script, seen_in
from engine.lab.training.data.split import is_held_out
from engine.lab.training.data.variants import DataVariant
from engine.lab.training.samples import image_targets
from engine.lab.training.shards import SEEN_SIDE, ShardDataset, make_scripts, picture, write_shard
from engine.model.autoencoder import Autoencoder
from tests.engine.lab.training.small import TINY_AUTOENCODER

OWN = DataVariant(critique="self-sampled")
PURPLE = Image.new("RGB", (256, 256), (90, 20, 160))


@pytest.fixture
def sampled(tmp_path: Path) -> Path:
    """A folder of scripts about one painted picture."""
    cases = [mismatch_case(random.Random(seed)) for seed in range(8)]
    own = [replace(c, sketch=Painted("own", c.sketch)) for c in cases if isinstance(c.sketch, Scene)]
    assert write_scripts(tmp_path / "sampled", own, 0) > 4
    keep_picture(tmp_path / "sampled", "own", PURPLE)
    return tmp_path / "sampled"


def test_a_painted_picture_is_seen_and_never_drawn(sampled: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    write_shard(
        tmp_path,
        0,
        Autoencoder(TINY_AUTOENCODER),
        seed=0,
        count=20,
        device="cpu",
        variant=OWN,
        sampled=sampled,
    )
    dataset = ShardDataset(tmp_path)
    small = np.asarray(PURPLE.resize((SEEN_SIDE, SEEN_SIDE)))
    painted = {i for i, seen in enumerate(dataset.process[0].seen) if np.array_equal(seen.numpy(), small)}
    assert painted
    prompts = json.loads((tmp_path / "shard-00000.json").read_text())["prompts"]
    assert painted <= {i for i, texts in enumerate(prompts) if not texts}
    scripts = [*dataset.process, *dataset.irg]
    shown = {part.scene for script in scripts for part in script.parts if part.kind == "image"}
    drawn = {script.parts[at].scene for script in scripts for at in image_targets(script)}
    assert painted <= shown
    assert not painted & drawn
    assert not painted & {script.parts[1].scene for script in dataset.direct}


def test_a_painted_picture_without_its_folder_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="needs the folder"):
        picture(Painted("own", Scene("sea")), None)


def test_scripts_from_sketches_take_the_place_of_invented_mistakes() -> None:
    own = Script()
    scripts = make_scripts(0, 0, 100, OWN, [own])
    assert 4 < sum(script is own for script in scripts) < 40
    assert not sum(s.tally["negative"] for s in scripts if s is not own)


def test_critiques_from_both_are_invented_and_sampled() -> None:
    own = Script()
    scripts = make_scripts(0, 0, 100, DataVariant(critique="both"), [own])
    assert 4 < sum(script is own for script in scripts) < 40
    assert sum(s.tally["negative"] for s in scripts if s is not own) > 5


def test_some_scripts_are_about_a_single_inspection_where_mistakes_are_invented(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def inspections(variant: DataVariant, share: float) -> set[int]:
        monkeypatch.setattr(shards, "CASES_SHARE", share)
        told = [s for s in make_scripts(0, 0, 60, variant) if s.parts and s.protocol == "process"]
        return {s.tally["positive"] + s.tally["negative"] for s in told if not s.tally["artist"]}

    assert inspections(DataVariant(), 1.0) == {1}
    assert max(inspections(DataVariant(), 0.0)) > 1
    assert max(inspections(DataVariant(critique="none"), 1.0)) > 1


def test_a_fifth_of_the_scripts_are_wishes_of_the_artist() -> None:
    wishes = [s for s in make_scripts(0, 0, 200, DataVariant(critique="none")) if s.tally["artist"]]
    assert sum(part.loss for s in wishes for part in s.parts if part.kind == "image") >= 30


def test_no_script_of_a_shard_shows_a_held_out_scene() -> None:
    scenes = [shown for script in make_scripts(1, 0, 200) for shown in script.scenes]
    assert len(scenes) > 250
    assert not [shown for shown in scenes if is_held_out(seen_in(shown))]
