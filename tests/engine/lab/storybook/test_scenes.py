"""Scenes, their layout, their pictures and their edits."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lab.storybook.drawing.backgrounds import background
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.scene.edits import (
    EDIT_KINDS,
    Add,
    Edit,
    Move,
    Recolour,
    Remove,
    Resize,
    Setting,
    Swap,
    apply,
    sample_edit,
)
from engine.lab.storybook.scene.palette import BACKGROUNDS, COLOURS, KINDS, SIZES
from engine.lab.storybook.scene.sampling import GAP, sample_scene
from engine.lab.storybook.scene.scene import RELATIONS, SKY_Y, Scene, Thing, apart, holds

seeds = st.integers(0, 2**32)


def touched(scene: Scene, edit: Edit) -> set[int]:
    """The indices an edit speaks of."""
    match edit:
        case Recolour(indices) | Resize(indices) | Swap(indices) | Remove(indices):
            return set(indices)
        case Move(index):
            return {index}
    return set()


def test_world_is_rich_enough() -> None:
    assert len(KINDS) >= 16 and len(COLOURS) >= 8 and len(BACKGROUNDS) >= 5
    assert len(SIZES) == 3 and len(RELATIONS) == 6
    scenes = [sample_scene(random.Random(seed)) for seed in range(1500)]
    assert {r.name for scene in scenes for r in scene.relations} == set(RELATIONS)
    assert {g.scale for scene in scenes for g in scene.groups()} == set(SIZES)
    assert {g.count for scene in scenes for g in scene.groups()} == set(range(1, 5))
    assert {len(scene.things) for scene in scenes} == set(range(1, 6))


@given(seeds)
def test_sampled_scenes_keep_apart_and_tell_true_relations(seed: int) -> None:
    scene = sample_scene(random.Random(seed))
    assert 1 <= len(scene.things) <= 5
    for group in scene.groups():
        assert 1 <= group.count <= 4
        assert {scene.things[i].scale for i in group.indices} == {group.scale}
    for i, a in enumerate(scene.things):
        left, top, right, bottom = a.box
        assert left > 0 and top > 0 and right < 1 and bottom < 1
        assert (a.row in SKY_Y) == KINDS[a.kind].sky
        assert all(apart(a, b, GAP) for b in scene.things[:i])
    for relation in scene.relations:
        assert holds(scene.things[relation.subject], relation.name, scene.things[relation.object])


@given(seeds, st.randoms(use_true_random=False))
def test_subset_is_nested_and_moves_nothing(seed: int, rng: random.Random) -> None:
    scene = sample_scene(random.Random(seed))
    order = rng.sample(range(len(scene.things)), len(scene.things))
    before = scene.subset([])
    assert before == Scene(scene.background)
    for number in range(1, len(order) + 1):
        now = scene.subset(order[:number])
        assert now.things == tuple(scene.things[i] for i in order[:number])
        assert now.things[: number - 1] == before.things
        assert len(now.relations) >= len(before.relations)
        assert all(holds(now.things[r.subject], r.name, now.things[r.object]) for r in now.relations)
        before = now
    assert len(before.relations) == len(scene.relations)


@given(seeds, st.sampled_from(EDIT_KINDS))
def test_edits_keep_everything_else(seed: int, kind: str) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    edit = sample_edit(scene, rng, (kind,))
    if edit is None:
        assert kind in ("add", "remove", "resize", "swap", "move")
        return
    after = apply(scene, edit)
    assert after != scene
    rest = [t for i, t in enumerate(scene.things) if i not in touched(scene, edit)]
    assert [t for t in after.things if t in rest] == rest
    assert (after.background != scene.background) == isinstance(edit, Setting)
    assert all(holds(after.things[r.subject], r.name, after.things[r.object]) for r in after.relations)
    match edit:
        case Add(things):
            assert after.things == (*scene.things, *things)
        case Remove(indices):
            assert len(after.things) == len(scene.things) - len(indices) > 0
        case Recolour(indices, colour):
            assert all(after.things[i].colour == colour for i in indices)
            assert all(
                (after.things[i].x, after.things[i].size) == (scene.things[i].x, scene.things[i].size)
                for i in indices
            )
        case Resize(indices, scale):
            for i in indices:
                thing, was = after.things[i], scene.things[i]
                assert thing.scale == scale != was.scale
                assert (thing.kind, thing.colour, thing.row) == (was.kind, was.colour, was.row)
        case Swap(indices, new):
            assert all(
                after.things[i].kind == new and after.things[i].x == scene.things[i].x for i in indices
            )
        case Move(index, x, y):
            assert (after.things[index].x, after.things[index].y) == (x, y)


def test_sampling_is_deterministic() -> None:
    first, again, other = (sample_scene(random.Random(seed)) for seed in (3, 3, 4))
    assert first == again and first != other


def test_rendering_is_deterministic_and_local() -> None:
    cat = Thing("cat", "black", 0.2, 0.66, 0.29, flip=True, tilt=3.0)
    scene = Scene("night", (cat,))
    picture = render(scene)
    assert picture.size == (256, 256) and picture.mode == "RGB"
    assert picture.tobytes() == render(scene).tobytes()
    empty = background("night").round()
    changed = np.abs(np.asarray(picture, np.float32) - empty).max(-1) > 1
    left, top, right, bottom = (edge * 256 for edge in cat.box)
    rows, columns = np.nonzero(changed)
    assert columns.min() > left - 12 and columns.max() < right + 12
    assert rows.min() > top - 12 and rows.max() < bottom + 12
    assert 1200 < changed.sum() < 6000


def test_every_kind_shows_its_colour() -> None:
    for kind in KINDS:
        for colour, rgb in COLOURS.items():
            picture = np.asarray(
                render(Scene("snow", (Thing(kind, colour, 0.5, 0.5, KINDS[kind].size),))), int
            )
            share = (np.abs(picture - rgb).max(-1) <= 2).sum()
            assert share > 250, f"{colour} {kind}: {share} pixels in its colour"


def test_things_may_hang_over_the_rim() -> None:
    picture = render(
        Scene("sea", (Thing("sun", "red", 0.0, 0.0, 0.28), Thing("boat", "blue", 1.4, 0.5, 0.3)))
    )
    assert np.asarray(picture)[2, 2].tolist() != background("sea").round()[2, 2].tolist()


def test_unknown_names_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="no kind 'unicorn'"):
        Thing("unicorn", "red", 0.5, 0.5, 0.3)
    with pytest.raises(ValueError, match="no colour 'brown'"):
        Thing("cat", "brown", 0.5, 0.5, 0.3)
    with pytest.raises(ValueError, match="no place 'moon base'"):
        Scene("moon base")


def test_depth_is_said_on_the_ground_and_height_where_the_sky_is_in_it() -> None:
    house, cat = Thing("house", "red", 0.5, 0.49, 0.32), Thing("cat", "black", 0.5, 0.81, 0.29)
    moon = Thing("moon", "white", 0.5, 0.17, 0.27)
    assert holds(cat, "in front of", house) and holds(house, "behind", cat)
    assert not holds(house, "above", cat) and not holds(house, "in front of", cat)
    assert holds(moon, "above", house) and not holds(moon, "behind", house)
