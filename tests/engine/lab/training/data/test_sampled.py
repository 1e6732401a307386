"""Scripts from a model's own sketches on disk: they come back as they were, and become part of shards."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.cases import case_script, mismatch_case
from engine.lab.training.data.sampled import keep_picture, painted_picture, read_scripts, write_scripts
from engine.lab.training.data.script import Painted


def test_scripts_come_back_as_they_were(tmp_path: Path) -> None:
    cases = [mismatch_case(random.Random(seed)) for seed in range(12)]
    own = [
        replace(case, sketch=Painted(f"p{i}", case.sketch))
        for i, case in enumerate(cases)
        if isinstance(case.sketch, Scene)
    ]
    count = write_scripts(tmp_path, own[:6], 0) + write_scripts(tmp_path, cases[6:], 1)
    scripts = read_scripts(tmp_path)
    assert len(scripts) == count > 8
    rng = random.Random("sampled-0")
    wanted = [script for case in own[:6] if (script := case_script(case, rng)) is not None]
    assert scripts[: len(wanted)] == wanted
    assert any(isinstance(shown, Painted) for shown in scripts[0].scenes)


def test_a_picture_comes_back_as_it_was(tmp_path: Path) -> None:
    image = Image.effect_noise((16, 16), 90).convert("RGB")
    keep_picture(tmp_path / "new", "a", image)
    found = painted_picture(tmp_path / "new", Painted("a", Scene("sea")))
    assert found.tobytes() == image.tobytes()


def test_a_folder_without_scripts_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="restroke train sample"):
        read_scripts(tmp_path)
