"""Costly, pure parts of the laboratory are computed once: judging a picture, finding held-out scenes."""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator

import pytest
from PIL import Image

from engine.lab.storybook.judging.judge import Seen, judge
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.split import sample_held_out_scene

JUDGING = (
    "evaluation.rollouts",
    "evaluation.steering",
    "evaluation.knowledge",
    "evaluation.inspections",
    "evaluation.ablations.outside",
    "training.data.self_sampling",
)
"""The modules that look at pictures."""


@pytest.fixture(scope="session", autouse=True)
def each_picture_is_judged_once() -> Iterator[None]:
    """Scripted painters draw the same picture again and again."""
    known: dict[tuple[str, tuple[int, int], bytes], Seen] = {}

    def remembered(image: Image.Image) -> Seen:
        key = image.mode, image.size, image.tobytes()
        if key not in known:
            known[key] = judge(image)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        for name in JUDGING:
            patch.setattr(importlib.import_module(f"engine.lab.{name}"), "judge", remembered)
        yield


@pytest.fixture(scope="session", autouse=True)
def held_out_scenes_are_found_once() -> Iterator[None]:
    """Two in a hundred scenes are held out, and suites look for the same ones."""
    known: dict[tuple, tuple[Scene, tuple]] = {}

    def remembered(rng: random.Random) -> Scene:
        state = rng.getstate()
        if state not in known:
            known[state] = sample_held_out_scene(rng), rng.getstate()
        scene, after = known[state]
        rng.setstate(after)
        return scene

    with pytest.MonkeyPatch.context() as patch:
        module = importlib.import_module("engine.lab.evaluation.rollouts")
        patch.setattr(module, "sample_held_out_scene", remembered)
        yield
