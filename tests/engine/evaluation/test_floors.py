"""The examinations: what counts as obeyed, as well formed, and that evaluated scenes are their own."""

from __future__ import annotations

import random

import pytest

from engine.evaluation.floors import (
    EDIT_KINDS,
    Album,
    carry_on,
    examine_edits,
    held_out_scenes,
    obeyed,
    prompt_step,
    readable,
)
from engine.settings import Settings
from engine.training.data.script import seen_in
from engine.training.shards import write_scripts
from engine.world.edits import apply, sample_edit
from engine.world.judge import judge
from engine.world.render import render
from engine.world.sampling import sample_scene
from tests.scripted import ScriptedPainter


@pytest.mark.parametrize("kind", EDIT_KINDS)
def test_an_edit_is_obeyed_by_its_own_picture_and_not_by_the_old_one(kind: str) -> None:
    asked = 0
    for seed in range(12):
        rng = random.Random(seed)
        before = sample_scene(rng, max_things=3)
        edit = sample_edit(before, rng, (kind,))
        if edit is None:
            continue
        after = apply(before, edit)
        asked += 1
        assert obeyed(before, edit, after, judge(render(after)))
        assert not obeyed(before, edit, after, judge(render(before)))
    assert asked > 6


def test_held_out_scenes_are_not_among_the_lessons() -> None:
    held_out = {scene.hash for _, scene in held_out_scenes(0, 200)}
    lessons = {seen_in(shown).hash for script in write_scripts(0, 0, 300) for shown in script.scenes}
    assert len(held_out) == 200
    assert not held_out & lessons


def test_held_out_scenes_are_the_same_every_time() -> None:
    assert [s for _, s in held_out_scenes(3, 5)] == [s for _, s in held_out_scenes(3, 5)]


def test_a_trajectory_of_well_formed_texts_counts_as_such() -> None:
    settings = Settings(timesteps=3)
    outcome = carry_on(
        ScriptedPainter(rounds=1, fault_rounds=()), [prompt_step("x", 0)], settings, Album(), 0
    )
    assert outcome.finished
    assert outcome.well_formed
    assert [step.kind for step in outcome.steps] == ["prompt", "plan", "sketch", "inspect"]


def test_a_text_that_needed_repair_is_not_well_formed() -> None:
    painter = ScriptedPainter(
        texts={"plan": ["no tags at all", "<ins>Add a house.</ins><des>A house.</des>"]}
    )
    outcome = carry_on(painter, [prompt_step("x", 0)], Settings(timesteps=3), Album(), 0)
    assert not outcome.well_formed


def test_edits_are_tallied_by_their_kind() -> None:
    report = examine_edits(ScriptedPainter(rounds=1), Settings(timesteps=3), count=2, seed=0)
    assert report["count"] == 2 and set(report["by_kind"]) == set(EDIT_KINDS)
    assert report["obeyed"] == 0, "flat rectangles are no figures of the world"


def test_nothing_seen_is_no_scene() -> None:
    assert readable(None) is None
