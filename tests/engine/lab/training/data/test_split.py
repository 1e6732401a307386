"""The division into scripts and evaluation: by what is shown, stable under play, about 2 %."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.lab.storybook.scene.palette import BACKGROUNDS, COLOURS
from engine.lab.storybook.scene.sampling import make_thing, sample_scene
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.split import (
    HELD_OUT,
    graph_hash,
    is_held_out,
    sample_held_out_scene,
    sample_training_scene,
)

SEEDS = st.integers(0, 2**32)


@settings(max_examples=60)
@given(SEEDS)
def test_play_in_place_size_and_pose_changes_no_side(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    things = [make_thing(rng, t.kind, t.colour, t.row, t.column, scale=t.scale) for t in scene.things]
    rng.shuffle(things)
    assert graph_hash(Scene(scene.background, tuple(things))) == graph_hash(scene)


@settings(max_examples=60)
@given(SEEDS)
def test_another_colour_place_or_number_is_another_scene(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    first, rest = scene.things[0], scene.things[1:]
    others = [
        replace(scene, background=next(b for b in BACKGROUNDS if b != scene.background)),
        scene.with_things([replace(first, colour=next(c for c in COLOURS if c != first.colour)), *rest]),
        scene.with_things([*scene.things, first]),
        scene.with_things([replace(first, x=1 - first.x if first.column != 1 else 0.17), *rest]),
    ]
    assert graph_hash(scene) not in {graph_hash(other) for other in others}


def test_about_two_in_a_hundred_are_held_out() -> None:
    rng = random.Random(0)
    found = sum(is_held_out(sample_scene(rng)) for _ in range(2500))
    assert 0.5 * HELD_OUT < found / 2500 < 1.6 * HELD_OUT


def test_the_two_sides_never_meet() -> None:
    rng = random.Random(1)
    held_out = {graph_hash(sample_held_out_scene(rng)) for _ in range(15)}
    scripts = {graph_hash(sample_training_scene(rng)) for _ in range(600)}
    assert not held_out & scripts


def test_a_bare_place_belongs_to_everybody() -> None:
    assert not any(is_held_out(Scene(place)) for place in BACKGROUNDS)
