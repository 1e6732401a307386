"""The six modes of interleaving reasoning: their order, what is learned, and what a reflection says."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.lab.storybook.language.thoughts import reflection, thought
from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.mistakes import sample_mistake
from engine.lab.storybook.scene.sampling import sample_scene
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.irg import (
    BETTER,
    HOW_TO_IMPROVE,
    HOW_TO_THINK,
    MODES,
    WEAK,
    Mode,
    irg_script,
    parts_of,
    sample_irg_script,
)
from engine.lab.training.data.script import Painted, Rough, Script
from engine.lab.training.data.split import sample_training_scene

SEEDS = st.integers(0, 2**32)
# P: prompt, T: thought, R: reflection, Q: question, G: the better picture, W: the weak one; * is learned
TABLE = {
    "initial thinking understanding": "P G Q T*",
    "initial thinking generation": "P T*",
    "initial full": "P T* G*",
    "improving thinking understanding": "P W G Q R*",
    "improving thinking generation": "P T W R*",
    "improving full": "P T W R* G*",
}


def letters(script: Script, goal: Scene) -> str:
    found = []
    for number, part in enumerate(script.parts):
        if part.kind == "image":
            letter = "G" if script.scenes[part.scene] == goal else "W"
        elif part.text in (HOW_TO_THINK, HOW_TO_IMPROVE):
            letter = "Q"
        elif part.text.startswith("<think>"):
            letter = "R" if "### " in part.text else "T"
        else:
            letter = "P" if number == 0 else "?"
        found.append(letter + "*" * part.loss)
    return " ".join(found)


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_shows_and_learns_what_the_table_says(mode: Mode) -> None:
    rng = random.Random(1)
    goal = sample_scene(rng)
    for weak in (sample_mistake(goal, rng), Painted("a", goal)):
        script = irg_script(goal, weak, rng)
        script.parts = parts_of(mode, script.parts)
        assert letters(script, goal) == TABLE[mode]
        assert {part.follows for part in script.parts} == {None}


@settings(max_examples=50)
@given(SEEDS)
def test_a_thought_names_every_thing_and_the_place(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    text = thought(scene, rng)
    assert all(g.kind in text and g.colour in text for g in scene.groups())
    assert text.endswith(".") and not re.search(r"[<>]|  ", text)


@settings(max_examples=50)
@given(SEEDS, st.booleans())
def test_a_reflection_has_a_step_for_every_fault_and_the_whole_picture(seed: int, is_rough: bool) -> None:
    rng = random.Random(seed)
    better = sample_scene(rng)
    now = sample_mistake(better, rng)
    parts = reflection(now, better, rng, is_rough=is_rough)
    steps = re.findall(r"\d\. ", parts.guidance)
    assert len(steps) >= len(differences(now, better)) + is_rough
    assert all(g.kind in parts.picture and g.colour in parts.picture for g in better.groups())
    assert not re.search("second|better picture|new picture", " ".join(parts))
    assert all(text.endswith(".") for text in parts)


def test_a_right_picture_can_only_be_painted_more_finely() -> None:
    scene = sample_scene(random.Random(4))
    parts = reflection(scene, scene, random.Random(0), is_rough=True)
    assert re.search("edges|shape|colour", parts.improvements)
    with pytest.raises(ValueError, match="nothing to criticise"):
        reflection(scene, scene, random.Random(0))


def test_half_of_the_weak_pictures_are_a_model_s_own_where_there_are_any() -> None:
    rng = random.Random(2)
    goals = [sample_training_scene(rng) for _ in range(20)]
    own = [(goal, Painted(f"p{n}", sample_mistake(goal, rng))) for n, goal in enumerate(goals)]
    scripts = [sample_irg_script(rng, own) for _ in range(300)]
    weak = [script.scenes[script.parts[WEAK].scene] for script in scripts]
    assert 0.4 < sum(isinstance(shown, Painted) for shown in weak) / len(weak) < 0.6
    for script, shown in zip(scripts, weak, strict=True):
        if isinstance(shown, Painted):
            assert (script.scenes[script.parts[BETTER].scene], shown) in own
        else:
            assert isinstance(shown, Rough)
