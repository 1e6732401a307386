"""One run from a prompt: what counts as well formed, and that evaluated scenes are their own."""

from __future__ import annotations

from engine.core.settings import Settings
from engine.lab.evaluation.rollouts import Album, carry_on, held_out_scenes, prompt_step, readable
from engine.lab.training.data.script import seen_in
from engine.lab.training.data.split import graph_hash
from engine.lab.training.shards import make_scripts
from tests.scripted import scripted_model


def test_held_out_scenes_are_not_in_the_training_data() -> None:
    held_out = {graph_hash(scene) for _, scene in held_out_scenes(0, 100)}
    scripts = {graph_hash(seen_in(scene)) for script in make_scripts(0, 0, 300) for scene in script.scenes}
    assert len(held_out) > 90
    assert not held_out & scripts


def test_held_out_scenes_are_the_same_every_time_and_come_one_by_one() -> None:
    assert [s for _, s in held_out_scenes(3, 5)] == [s for _, s in held_out_scenes(3, 5)]
    endless = held_out_scenes(3, 10**9)
    assert next(endless)[1] == next(held_out_scenes(3, 1))[1]


def test_a_trajectory_of_well_formed_texts_counts_as_such() -> None:
    settings = Settings(timesteps=3)
    outcome = carry_on(scripted_model(rounds=1, fault_rounds=()), [prompt_step("x", 0)], settings, Album(), 0)
    assert outcome.finished
    assert outcome.well_formed
    assert [step.kind for step in outcome.steps] == ["prompt", "plan", "sketch", "inspect"]


def test_a_text_that_needed_repair_is_not_well_formed() -> None:
    model = scripted_model(texts={"plan": ["no tags at all", "<ins>Add a house.</ins><des>A house.</des>"]})
    outcome = carry_on(model, [prompt_step("x", 0)], Settings(timesteps=3), Album(), 0)
    assert not outcome.well_formed


def test_nothing_seen_is_no_scene() -> None:
    assert readable(None) is None
