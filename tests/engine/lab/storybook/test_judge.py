"""The judge on clean, soft and foreign pictures, and faults against what was wanted."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageFilter

from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.judging.faults import faults
from engine.lab.storybook.judging.judge import judge
from engine.lab.storybook.judging.silhouettes import components
from engine.lab.storybook.language.parse import parse_prompt
from engine.lab.storybook.scene.edits import Move, Recolour, Remove, Resize, Setting, Swap, apply
from engine.lab.storybook.scene.palette import BACKGROUNDS
from engine.lab.storybook.scene.sampling import sample_scene
from engine.lab.storybook.scene.scene import Relation, Scene, Thing

SCENE = Scene(
    "night",
    (
        Thing("house", "red", 0.17, 0.65, 0.32),
        Thing("tree", "green", 0.83, 0.65, 0.33),
        Thing("moon", "white", 0.5, 0.17, 0.27),
    ),
    (Relation(0, "left of", 1),),
)


def test_clean_renders_are_read_exactly() -> None:
    rng = random.Random(2024)
    scenes = [sample_scene(rng) for _ in range(40)]
    wrong = [(faults(scene, seen), scene) for scene in scenes if faults(scene, seen := judge(render(scene)))]
    assert not wrong


def test_soft_noisy_renders_are_read() -> None:
    rng, noise = random.Random(7), np.random.default_rng(7)
    scenes = [sample_scene(rng) for _ in range(24)]
    right = 0
    for scene in scenes:
        soft = np.asarray(render(scene).filter(ImageFilter.GaussianBlur(1.5)), float) + noise.normal(
            0, 6, (256, 256, 3)
        )
        right += not faults(scene, judge(Image.fromarray(soft.clip(0, 255).astype(np.uint8))))
    assert right == len(scenes)


def test_places_and_sizes_are_measured() -> None:
    seen = judge(render(SCENE))
    for thing, found in zip(sorted(SCENE.things, key=lambda t: t.x), seen.things, strict=True):
        assert (thing.kind, thing.colour) == (found.kind, found.colour)
        assert abs(thing.x - found.x) < 0.02 and abs(thing.y - found.y) < 0.02
        assert abs(thing.size - found.size) < 0.03
    assert seen.scene().background == "night" and len(seen.scene().things) == 3


def test_every_kind_of_fault_is_found() -> None:
    def told(wrong: Scene) -> list[str]:
        return faults(SCENE, judge(render(wrong)))

    assert told(SCENE) == []
    assert told(apply(SCENE, Recolour((0,), "blue"))) == ["the house is blue, not red"]
    assert told(apply(SCENE, Resize((0,), "large"))) == ["the house is large, not medium-sized"]
    assert "the white moon is missing" in told(apply(SCENE, Remove((2,))))
    assert "the background is desert, not night" in told(apply(SCENE, Setting("desert")))
    assert "there is a white star that nobody asked for" in told(apply(SCENE, Swap((2,), "star", "white")))
    turned = apply(apply(apply(SCENE, Move(0, 0.5, 0.65)), Move(1, 0.17, 0.65)), Move(0, 0.83, 0.65))
    assert told(turned) == ["the house is not left of the tree"]
    twice = SCENE.with_things((*SCENE.things, Thing("house", "red", 0.5, 0.65, 0.3)))
    assert "there are two red houses, not one" in told(twice)


def test_what_a_prompt_leaves_open_is_no_fault_and_what_it_says_is_held() -> None:
    seen = judge(render(SCENE))
    spec = parse_prompt("a house and a green tree")
    assert spec is not None and faults(spec, seen) == ["there is a white moon that nobody asked for"]
    for text, fault in (
        ("two red houses", "there is one red house, not two"),
        ("a small red house", "the house is medium-sized, not small"),
        ("a blue house", "the house is red, not blue"),
        ("a red house and a dog", "the dog is missing"),
    ):
        spec = parse_prompt(text)
        assert spec is not None and any(fault in said for said in faults(spec, seen)), (
            text,
            faults(spec, seen),
        )


def test_named_columns_are_held() -> None:
    seen = judge(render(SCENE))
    right = parse_prompt("a red house on the left, a green tree on the right and a white moon at night")
    wrong = parse_prompt("a red house on the right, a green tree and a white moon at night")
    assert right is not None and faults(right, seen) == []
    assert wrong is not None and faults(wrong, seen) == ["the house is not where it should be"]


@pytest.mark.parametrize("place", BACKGROUNDS)
def test_empty_places_are_empty(place: str) -> None:
    seen = judge(render(Scene(place)))
    assert seen.background == place and seen.things == ()


def test_foreign_pictures_do_not_upset_it() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    for picture in (
        Image.fromarray(noise),
        Image.new("L", (20, 900)),
        Image.new("RGBA", (256, 256), (255, 0, 0, 9)),
    ):
        assert faults(SCENE, judge(picture))


def test_pictures_of_another_size_are_read() -> None:
    assert faults(SCENE, judge(render(SCENE).resize((512, 512), Image.Resampling.BICUBIC))) == []


def test_components_are_the_connected_pieces() -> None:
    mask = np.array(
        [
            [1, 0, 1, 1, 0, 0],
            [1, 0, 0, 1, 0, 1],
            [1, 1, 1, 1, 0, 1],
            [0, 0, 0, 0, 0, 0],
            [0, 1, 0, 1, 1, 1],
        ],
        bool,
    )
    labels = components(mask)
    assert (labels > 0).tolist() == mask.tolist()
    assert len(set(labels[mask])) == 4
    assert labels[0, 0] == labels[0, 2] == labels[2, 1] != labels[1, 5]
    assert labels[4, 3] == labels[4, 5] != labels[4, 1]
