"""Help from outside: whose words stand in a session, what the judge says, and which picture is kept."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import Pipe
from typing import Any

import pytest

from engine.core.settings import Settings
from engine.inference.events import Drawn
from engine.lab.evaluation.ablations.outside import Help, _Rollout, verdict_on
from engine.lab.evaluation.ablations.switches import SWITCHES
from engine.lab.evaluation.storyeval import Prompt
from engine.lab.evaluation.suite import Setup
from engine.lab.evaluation.verdicts import named_in
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.judging.judge import judge
from engine.lab.storybook.scene.scene import Relation, Scene, Thing
from tests.engine.lab.evaluation.test_steering import WorldPainter
from tests.scripted import scripted_model

CAT, HOUSE = Thing("cat", "red", 0.2, 0.8, 0.29), Thing("house", "blue", 0.8, 0.8, 0.32)
BOTH = Scene("meadow", (CAT, HOUSE), (Relation(0, "left of", 1),))
GREEN = replace(CAT, colour="green")
CASE = Prompt("position", 0, "a red cat left of a blue house", BOTH)


def session(helped: Help, painter: WorldPainter) -> _Rollout:
    found = _Rollout(helped, Setup(scripted_model(painter), Settings(timesteps=3), seed=0), CASE, 0)
    found.run()
    return found


def kinds(found: _Rollout) -> list[str]:
    return [step.kind for step in found.outcome.steps]


def test_plans_lead_to_the_hidden_scene_and_the_model_inspects() -> None:
    painter = WorldPainter(BOTH, fault_rounds=())
    found = session(Help(plans=True), painter)
    rounds = (len(found.outcome.steps) - 1) // 3
    assert kinds(found) == ["prompt", *["plan", "sketch", "inspect"] * rounds] and found.outcome.finished
    assert [asked["call"] for asked in painter.asked] == ["draw", "write"] * rounds, "no plan is the model's"
    last = found.outcome.steps[-3].fields["description"]
    assert "cat" in last and "house" in last


def test_a_fault_in_a_given_plan_is_refined_once_before_the_next() -> None:
    found = session(Help(plans=True), WorldPainter(BOTH, fault_rounds=(1,)))
    assert kinds(found)[:5] == ["prompt", "plan", "sketch", "inspect", "refine"]
    assert kinds(found)[-1] == "inspect" or kinds(found).count("plan") == 1


def test_the_judge_inspects_in_the_models_place_and_the_model_draws_again() -> None:
    painter = WorldPainter(Scene("meadow", (GREEN, HOUSE)), rounds=1)
    found = session(Help(inspects=True), painter)
    assert kinds(found) == ["prompt", "plan", "sketch", "inspect", "refine"] and found.outcome.finished
    assert "green" in found.outcome.steps[3].fields["verdict"]
    assert sum(asked["call"] == "write" for asked in painter.asked) == 1, "the plan"
    fine = session(Help(inspects=True), WorldPainter(BOTH, rounds=1))
    assert kinds(fine) == ["prompt", "plan", "sketch", "inspect"]


@pytest.mark.parametrize(
    ("things", "named"),
    [
        ((CAT, HOUSE), set()),
        ((CAT,), set()),
        ((replace(CAT, x=0.4), HOUSE), set()),
        ((GREEN, HOUSE), {"recolour"}),
        ((CAT, HOUSE, Thing("star", "black", 0.5, 0.172, 0.26)), {"extra"}),
    ],
    ids=["right", "one is missing", "moved within the relation", "recoloured", "one too many"],
)
def test_a_verdict_names_what_is_wrong_and_forgives_what_may_come(
    things: tuple[Thing, ...], named: set[str]
) -> None:
    said = verdict_on(judge(render(Scene("meadow", things))), BOTH, random.Random(0))
    assert bool(said["correction"]) == bool(named)
    assert (named_in(said["verdict"]) if named else set()) == named


def test_a_place_is_wrong_where_a_relation_is() -> None:
    goal = Scene("meadow", (CAT, replace(HOUSE, x=0.5)), (Relation(0, "left of", 1),))
    seen = judge(render(Scene("meadow", (replace(CAT, x=0.83), replace(HOUSE, x=0.5)))))
    said = verdict_on(seen, goal, random.Random(0))
    assert named_in(said["verdict"]) == {"move"} and "cat" in said["correction"]
    assert not verdict_on(seen, replace(goal, relations=()), random.Random(0))["correction"]


class Moody(WorldPainter):
    """The first picture of a step is wrong, and so are all but one of the others."""

    def draw(self, parts: Sequence[Any], **options: Any) -> Iterator[Drawn]:
        drawn = sum(asked["call"] == "draw" for asked in self.asked)
        self.scene = BOTH if drawn % 4 == 2 else Scene("meadow", (GREEN, HOUSE))
        yield from super().draw(parts, **options)


def test_the_best_of_a_step_is_kept_and_all_of_them_are_paid() -> None:
    painter = Moody(BOTH, rounds=1, fault_rounds=())
    row = Help(tries=4).examine(Setup(scripted_model(painter), Settings(timesteps=3), seed=0), CASE)
    assert row["right"] == row["everything"] == [True]
    assert row["cost"]["images"] == 4
    alone = Help().examine(
        Setup(scripted_model(Moody(BOTH, rounds=1, fault_rounds=())), Settings(timesteps=3), 0), CASE
    )
    assert alone["everything"] == [False] and alone["cost"]["images"] == 1
    seeds = [asked["seed"] for asked in painter.asked if asked["call"] == "draw"]
    assert len(set(seeds)) == 4


def test_help_travels_to_other_processes() -> None:
    here, there = Pipe()
    for variant in SWITCHES["outside"].variants[1:]:
        here.send(variant.suite)
        examine = there.recv().examine
        assert examine.__self__ == variant.suite.examine.__self__ != Help()
