"""Kinds of mistakes in scenes and in words, and what is counted of a model's verdicts and refines."""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy

import pytest

from engine.core.settings import Settings
from engine.inference.events import Drawn
from engine.lab.evaluation import inspections, knowledge
from engine.lab.evaluation.suite import Setup
from engine.lab.evaluation.verdicts import MISTAKES, mistakes_of, named_in, one_mistake
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.judging.judge import judge
from engine.lab.storybook.language.critique import critique_ok, critique_wrong
from engine.lab.storybook.scene.sampling import sample_scene
from engine.lab.storybook.scene.scene import Scene, Thing
from engine.protocols.process import inspect_text
from tests.engine.lab.evaluation.test_steering import WorldPainter
from tests.scripted import scripted_model

BOTH = Scene("meadow", (Thing("cat", "red", 0.2, 0.8, 0.29), Thing("house", "blue", 0.8, 0.8, 0.32)))


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_verdict_names_the_mistake_that_the_scenes_have(kind: str) -> None:
    asked = 0
    for seed in range(8):
        rng = random.Random(seed)
        right = sample_scene(rng)
        wrong = one_mistake(right, kind, rng)
        if wrong is None:
            continue
        asked += 1
        assert mistakes_of(wrong, right) == {kind}
        assert named_in(critique_wrong(wrong, right, (), rng)[0]) == {kind}
        assert mistakes_of(judge(render(wrong)).scene(), judge(render(right)).scene()) == {kind}
    assert asked >= 5


def test_a_fine_picture_has_no_mistakes_and_other_words_name_none() -> None:
    assert mistakes_of(BOTH, BOTH) == set()
    rng = random.Random(0)
    assert named_in(critique_ok(BOTH, BOTH.groups()[1:], rng)) == set()
    assert named_in("I like it. The cat could be nicer.") == set()


EVERY = knowledge.cases(4, seed=0)
CASES = [case for case in EVERY if isinstance(case, knowledge.Case)]


def test_cases_are_shown_what_they_say() -> None:
    kinds = [*MISTAKES, "right", "not drawn yet", "drift", *inspections.SHOWS]
    assert [case.shows for case in EVERY] == kinds * 4
    for case in CASES:
        if case.shows in MISTAKES:
            assert mistakes_of(case.picture, case.right) == {case.shows}
        else:
            assert case.picture == case.right
        unfinished = len(case.right.things) < len(case.whole.things)
        assert unfinished or case.shows != "not drawn yet"
        assert not unfinished or case.shows in (*MISTAKES, "not drawn yet")


def setup(painter: WorldPainter) -> Setup:
    return Setup(scripted_model(painter), Settings(timesteps=3), seed=0)


def by_name(name: str, looks: int = 1) -> knowledge.Case:
    """A copy each time: a case's lots are drawn once."""
    found = (case for case in CASES if case.shows == name)
    return deepcopy(next(case for case in found if len(case.right.groups()) >= looks))


def test_a_false_alarm_and_a_silent_pass_are_told_apart() -> None:
    alarm = inspect_text("This is wrong. The cat is missing.", "Add a red cat.")
    row = knowledge.examine(setup(WorldPainter(BOTH, texts=[alarm])), by_name("not drawn yet"))
    assert row["alarm"] and row["named"] == ["missing"] and "mended" not in row
    row = knowledge.examine(setup(WorldPainter(BOTH, texts=["This fits."])), by_name("not drawn yet"))
    assert row["read"] and not row["alarm"] and row["named"] == []


def test_a_refine_mends_or_breaks_what_was_right() -> None:
    case = by_name("recolour", looks=2)
    row = knowledge.examine(setup(WorldPainter(case.right, texts=["This fits."])), case)
    assert (row["alarm"], row["mended"], row["overdone"]) == (False, True, False)
    row = knowledge.examine(
        setup(WorldPainter(case.picture, texts=["This fits."])), by_name("recolour", looks=2)
    )
    assert (row["mended"], row["overdone"]) == (False, False)
    other = Scene(case.right.background, (Thing("star", "black", 0.5, 0.2, 0.26),))
    row = knowledge.examine(setup(WorldPainter(other, texts=["This fits."])), by_name("recolour", looks=2))
    assert (row["mended"], row["overdone"]) == (False, True)


def test_a_refine_that_adds_what_nobody_asked_for_has_overdone_it() -> None:
    case = by_name("recolour", looks=2)
    taken = {thing.kind for thing in case.whole.things}
    kind = next(kind for kind in ("star", "moon", "balloon") if kind not in taken)
    there = Thing(kind, "pink", 0.5, 0.172, 0.26)
    more = Scene(case.right.background, (*(t for t in case.right.things if t.row != "sky"), there))
    if len(more.things) > len(case.right.things):
        row = knowledge.examine(setup(WorldPainter(more, texts=["This fits."])), case)
        assert (row["mended"], row["overdone"]) == (False, True)


def test_drift_is_none_where_the_picture_stays_and_whole_where_it_goes() -> None:
    case = by_name("drift")
    row = knowledge.examine(setup(WorldPainter(case.picture, fault_rounds=())), case)
    assert row["kept"] == [1.0] * knowledge.ROUNDS and max(row["strayed"]) == 0
    empty = Scene("night" if case.whole.background != "night" else "snow")
    row = knowledge.examine(setup(WorldPainter(empty, fault_rounds=())), by_name("drift"))
    assert row["kept"] == [0.0] * knowledge.ROUNDS and min(row["strayed"]) > 0.05
    assert not any(row["held"]), "what is gone is lost once, in the round that lost it"
    assert len(row["held"]) < knowledge.ROUNDS * len(case.whole.things)


def test_precision_and_recall_by_hand() -> None:
    def row(shows: str, *named: str, mended: bool = False) -> dict:
        wrong = {"mended": mended, "overdone": False} if shows in MISTAKES else {}
        verdict = {"read": True, "alarm": bool(named), "named": list(named)}
        return {"shows": shows, "wrong": [shows] if wrong else [], **verdict, **wrong}

    rows = [
        row("recolour", "recolour", mended=True),
        row("recolour", "swap"),
        row("swap"),
        row("right", "recolour"),
        row("not drawn yet"),
        {"shows": "drift", "kept": [1.0, 0.5], "held": [True, True, True, False], "strayed": [0.1, 0.2]},
    ]
    found = {tag: figure["mean"] for tag, figure in knowledge.summarise(rows).items()}
    assert found["inspect: precision, rendered"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["inspect: recall, rendered"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["inspect: recall, recolour"] == 1 and found["inspect: named, recolour"] == 0.5
    assert found["inspect: precision, recolour"] == 0.5 and found["inspect: precision, swap"] == 0
    assert found["inspect: precision, move"] is None
    assert found["inspect: false alarms, rendered"] == 0.5
    assert found["inspect: false alarms, right"] == 1 and found["inspect: false alarms, not drawn yet"] == 0
    assert found["refine: mended"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["drift: unchanged a round"] == 0.75
    assert found["drift: kept, round 2"] == 0.5 and found["drift: kept, round 3"] is None


def rounds(shows: str) -> list[inspections.Round]:
    return [case for case in EVERY if isinstance(case, inspections.Round) and case.shows == shows]


def test_a_plan_against_the_prompt_is_a_fault_and_one_that_fits_is_none() -> None:
    conflict, fits = rounds(inspections.CONFLICT)[0], rounds(inspections.FITS)[0]
    alarm, silence = inspect_text("This is wrong.", "Change it."), inspect_text("This fits.")
    rows = []
    for case in (conflict, fits):
        painter = WorldPainter(BOTH, texts=[alarm if case is conflict else silence])
        rows.append(knowledge.examine(setup(painter), case))
        assert [asked["call"] for asked in painter.asked] == ["write"], "nothing is drawn"
        shown_plan = painter.asked[0]["parts"][-2].text
        assert all(thing.kind in shown_plan for thing in case.planned.after.things)
    assert set(rows[0]["wrong"]) == mistakes_of(conflict.planned.after, conflict.step.after) != set()
    assert rows[1]["wrong"] == [] and [row["alarm"] for row in rows] == [True, False]


def test_an_own_sketch_is_held_against_its_plan_by_the_judge() -> None:
    case = max(rounds(inspections.OWN), key=lambda case: len(case.step.after.things))
    silence = inspect_text("This fits.")
    row = knowledge.examine(setup(WorldPainter(case.step.after, texts=[silence])), case)
    assert (row["wrong"], row["alarm"]) == ([], False)
    empty = Scene(case.step.after.background, ())
    row = knowledge.examine(setup(WorldPainter(empty, texts=[silence])), case)
    assert row["wrong"] == ["missing"] and not row["alarm"]
    assert knowledge.examine(setup(Fails(BOTH)), case) == {"shows": inspections.OWN}


class Fails(WorldPainter):
    def draw(self, *args: object, **options: object) -> Iterator[Drawn]:
        raise MemoryError


def test_the_three_kinds_of_mistakes_are_told_apart() -> None:
    def row(shows: str, wrong: list[str], named: list[str]) -> dict:
        return {"shows": shows, "wrong": wrong, "read": True, "alarm": bool(named), "named": named}

    rows = [
        row(inspections.CONFLICT, ["swap"], ["move"]),
        row(inspections.FITS, [], ["swap"]),
        row(inspections.FITS, [], []),
        row(inspections.OWN, ["swap", "missing"], ["missing"]),
        row(inspections.OWN, ["missing"], []),
        row(inspections.OWN, [], []),
        {"shows": inspections.OWN},
    ]
    found = {tag: (figure["mean"], figure["n"]) for tag, figure in knowledge.summarise(rows).items()}
    assert found["inspect: precision, plan conflict"] == (0.5, 2)
    assert found["inspect: recall, plan conflict"] == (1, 1)
    assert found["inspect: false alarms, plan conflict"] == (0.5, 2)
    assert found["inspect: named, plan conflict"] == (0, 1)
    assert found["inspect: precision, own sketch"] == (1, 1)
    assert found["inspect: recall, own sketch"] == found["inspect: named, own sketch"] == (0.5, 2)
    assert found["inspect: false alarms, own sketch"] == (0, 1)
    assert found["wrong, own sketch"] == (pytest.approx(2 / 3, abs=1e-3), 3)
    assert found["inspect: precision, rendered"] == (None, 0)
