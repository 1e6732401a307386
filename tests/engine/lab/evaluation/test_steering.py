"""What keeps and what is touched, where a person steps in, and the simulated artist's next wish."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.inference.events import Drawn
from engine.lab.evaluation import simulated_artist, steering
from engine.lab.evaluation.preservation import obeyed, preserved, share_kept, untouched
from engine.lab.evaluation.rollouts import Album, carry_on, prompt_step, readable
from engine.lab.evaluation.suite import Setup
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.judging.judge import Seen, SeenThing, judge
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
    resized,
    sample_edit,
)
from engine.lab.storybook.scene.sampling import sample_scene
from engine.lab.storybook.scene.scene import Relation, Scene, Thing
from tests.scripted import ScriptedPainter, scripted_model

CAT = Thing("cat", "red", 0.2, 0.8, 0.29)
HOUSE = Thing("house", "blue", 0.8, 0.8, 0.32)
BOTH = Scene("meadow", (CAT, HOUSE))


def seen(*things: Thing, background: str = "meadow") -> Seen:
    return Seen(background, tuple(SeenThing(t.kind, t.colour, t.x, t.y, t.size, 0.9) for t in things))


class WorldPainter(ScriptedPainter):
    """Draws one and the same scene, whatever it is asked: a model that obeys nobody."""

    def __init__(self, scene: Scene, **options: Any) -> None:
        super().__init__(**options)
        self.scene = scene

    def draw(self, parts: Sequence[Any], **options: Any) -> Iterator[Drawn]:
        self._note("draw", parts, options["pixels"], seed=options["seed"])
        yield Drawn(render(self.scene), updates=1, forwards=2)


def test_untouched_is_what_an_edit_does_not_mention() -> None:
    def left(edit: Edit) -> tuple[Thing, ...]:
        return untouched(BOTH, apply(BOTH, edit))

    assert left(Recolour((0,), "green")) == (HOUSE,)
    assert left(Move(1, 0.5, 0.8)) == (CAT,)
    assert left(Add((Thing("sun", "yellow", 0.5, 0.2, 0.28),))) == BOTH.things
    assert left(Setting("snow")) == BOTH.things
    assert left(Remove((0, 1))) == ()


def test_what_is_kept_is_in_its_look_and_place_and_each_by_a_figure_of_its_own() -> None:
    moved = Thing("house", "blue", 0.4, 0.8, 0.32)
    assert share_kept(BOTH.things, seen(CAT, HOUSE)) == 1
    assert share_kept(BOTH.things, seen(CAT)) == 0.5
    assert share_kept(BOTH.things, seen(CAT, moved)) == 0.5
    assert share_kept(BOTH.things, seen(CAT, moved), in_place=False) == 1
    assert share_kept((CAT, CAT), seen(CAT)) == 0.5
    assert share_kept((), None) == 1 and share_kept((CAT,), None) == 0


def test_preserved_asks_for_the_background_too_and_lets_the_edited_thing_go() -> None:
    after = apply(BOTH, Recolour((0,), "green"))
    green, sun = Thing("cat", "green", 0.2, 0.8, 0.29), Thing("sun", "yellow", 0.5, 0.2, 0.28)
    assert preserved(BOTH, after, seen(green, HOUSE))
    assert preserved(BOTH, after, seen(HOUSE))
    assert preserved(BOTH, after, seen(CAT, HOUSE)), "an edit that was not obeyed has spoilt nothing"
    assert not preserved(BOTH, after, seen(green))
    assert not preserved(BOTH, after, seen(green, HOUSE, background="night"))
    assert not preserved(BOTH, after, None)
    assert not preserved(BOTH, after, seen(green, HOUSE, sun)), "a stranger came"
    assert preserved(BOTH, after, seen(green, HOUSE, sun), Scene("meadow", (*BOTH.things, sun)))
    assert preserved(BOTH, apply(BOTH, Setting("night")), seen(CAT, HOUSE, background="night"))


@pytest.mark.parametrize("kind", EDIT_KINDS)
def test_an_edit_is_obeyed_by_its_own_picture_and_not_by_the_old_one(kind: str) -> None:
    asked = 0
    for seed in range(10):
        rng = random.Random(seed)
        before = sample_scene(rng, max_things=3)
        edit = sample_edit(before, rng, (kind,))
        if edit is None:
            continue
        after = apply(before, edit)
        asked += 1
        assert obeyed(before, after, judge(render(after)))
        assert not obeyed(before, after, judge(render(before)))
    assert asked > 4


def test_obeyed_by_hand() -> None:
    def after(edit: Edit) -> Scene:
        return apply(BOTH, edit)

    green, dog = Thing("cat", "green", 0.2, 0.8, 0.29), Thing("dog", "red", 0.2, 0.8, 0.29)
    assert obeyed(BOTH, after(Recolour((0,), "green")), seen(green))
    assert not obeyed(BOTH, after(Recolour((0,), "green")), seen(green, CAT)), "the old one is still there"
    assert obeyed(BOTH, after(Swap((0,), "dog", "red")), seen(dog, HOUSE))
    assert not obeyed(BOTH, after(Swap((0,), "dog", "red")), seen(dog, dog, HOUSE)), "one too many"
    assert obeyed(BOTH, after(Remove((0,))), seen(HOUSE))
    assert not obeyed(BOTH, after(Remove((0,))), seen(CAT, HOUSE))
    there = Thing("cat", "red", 0.5, 0.8, 0.29)
    assert obeyed(BOTH, after(Move(0, 0.5, 0.8)), seen(there, HOUSE))
    assert not obeyed(BOTH, after(Move(0, 0.5, 0.8)), seen(CAT, HOUSE))
    assert not obeyed(BOTH, after(Move(0, 0.5, 0.8)), seen(there, CAT, HOUSE)), "copied, not moved"
    assert not obeyed(BOTH, after(Setting("night")), seen(CAT, HOUSE))
    small = after(Resize((0,), "small"))
    assert small.things[0].scale == "small" and CAT.scale == "medium"
    assert obeyed(BOTH, small, seen(*small.things))
    assert not obeyed(BOTH, small, seen(CAT, HOUSE)), "as large as before"
    assert untouched(BOTH, small) == (HOUSE,)
    assert not preserved(BOTH, after(Recolour((0,), "green")), seen(green, resized(HOUSE, "small")))


def test_no_edit_is_asked_for_that_the_prompt_would_bring_anyway() -> None:
    """A red cat stands and a blue one is to come: recolouring the first blue could not be told from it."""
    stands, goal = Scene("meadow", (CAT,)), Scene("meadow", (CAT, Thing("cat", "blue", 0.8, 0.8, 0.29)))
    for seed in range(30):
        one = steering.Case(0, "plan", 2, "recolour", random.Random(seed), goal)
        edit = steering.wish(stands, one)
        assert isinstance(edit, Recolour) and edit.colour != "blue"
    assert steering.wish(None, one) is None


def test_a_figure_painted_over_is_seen_and_nothing_else_has_changed() -> None:
    edit = Add((HOUSE,))
    alone = Scene("meadow", (CAT,))
    painted = judge(steering.composite(render(alone), edit.things))
    assert obeyed(alone, apply(alone, edit), painted)
    assert preserved(alone, apply(alone, edit), painted)


def made(painter: ScriptedPainter, rounds: int) -> tuple[list[Step], Album]:
    album = Album()
    settings = Settings(timesteps=3, max_rounds=rounds)
    return carry_on(scripted_model(painter), [prompt_step("a red cat", 0)], settings, album, 0).steps, album


def case(what: str, depth: int, kind: str) -> steering.Case:
    return steering.Case(0, what, depth, kind, random.Random(1), BOTH)


def test_a_plan_is_rewritten_in_its_round_and_a_missing_round_is_begun() -> None:
    steps, album = made(WorldPainter(BOTH, rounds=2, fault_rounds=()), rounds=3)
    assert [step.kind for step in steps] == ["prompt", *["plan", "sketch", "inspect"] * 2]
    first = steering.rewrite_plan(case("plan", 1, "recolour"), steps, album)
    second = steering.rewrite_plan(case("plan", 2, "recolour"), steps, album)
    third = steering.rewrite_plan(case("plan", 3, "recolour"), steps, album)
    assert first and second and third
    assert [len(change.steps) for change in (first, second, third)] == [2, 5, 8]
    assert [change.drawn for change in (first, second, third)] == [False, True, True]
    assert all(change.steps[-1].author == "person" for change in (first, second, third))
    assert all(change.steps[-1].parent == change.steps[-2].id for change in (first, second, third))


def test_a_critique_follows_the_rounds_sketch_and_asks_for_a_refine() -> None:
    steps, album = made(WorldPainter(BOTH, rounds=2, fault_rounds=()), rounds=2)
    change = steering.write_critique(case("critique", 2, "recolour"), steps, album)
    assert change is not None
    assert [step.kind for step in change.steps[-2:]] == ["sketch", "inspect"]
    assert change.steps[-1].is_fault and len(change.steps) == 7


def test_painting_over_replaces_the_sketch_by_the_persons_own() -> None:
    steps, album = made(WorldPainter(BOTH, rounds=1, fault_rounds=()), rounds=1)
    change = steering.paint_over(case("paint", 1, "add"), steps, album)
    assert change is not None
    assert (change.steps[-1].kind, change.steps[-1].author) == ("sketch", "person")
    assert len(judge(album[change.steps[-1].image]).things) > len(BOTH.things)


def test_a_picture_of_nothing_cannot_be_edited() -> None:
    empty = Scene("meadow")
    steps, album = made(WorldPainter(empty, rounds=1, fault_rounds=()), rounds=1)
    for what, step_in in (("critique", steering.write_critique), ("paint", steering.paint_over)):
        assert step_in(case(what, 1, "recolour"), steps, album) is None
    setup = Setup(scripted_model(WorldPainter(empty, rounds=1, fault_rounds=())), Settings(timesteps=3), 0)
    row = steering.examine(setup, case("critique", 1, "recolour"))
    assert row == {"what": "critique", "kind": "recolour", "possible": False}


def test_a_model_that_never_changes_its_picture_preserves_and_disobeys() -> None:
    setup = Setup(scripted_model(WorldPainter(BOTH, rounds=2)), Settings(timesteps=3), 0)
    for what, depth in (("critique", 1), ("plan", 2)):
        row = steering.examine(setup, case(what, depth, "recolour"))
        assert (row["obeyed"], row["preserved"], row["depth"]) == (False, True, depth)


def test_cases_cover_every_edit_and_deeper_ones_have_enough_to_draw() -> None:
    found = [c for c in steering.cases(2, 0) if isinstance(c, steering.Case)]
    assert Counter((c.what, c.depth) for c in found) == {
        (what, depth): 2 for what in steering.KINDS for depth in steering.DEPTHS
    }
    assert all(len(c.scene.groups()) >= c.depth for c in found)
    assert sum(isinstance(c, simulated_artist.Case) for c in steering.cases(2, 0)) == 2


def test_the_summary_counts_only_what_could_be_edited() -> None:
    rows = [
        {"what": "plan", "kind": "add", "possible": True, "depth": 1, "obeyed": True, "preserved": False},
        {"what": "plan", "kind": "move", "possible": True, "depth": 2, "obeyed": False, "preserved": False},
        {"what": "paint", "kind": "add", "possible": False},
    ]
    found = steering.summarise(rows)
    assert (found["obedience"]["mean"], found["obedience"]["n"]) == (0.5, 2)
    assert found["obedience: plan, round 1"]["mean"] == 1
    assert found["obedience: plan, move"]["mean"] == 0
    assert found["no case"]["mean"] == pytest.approx(1 / 3, abs=1e-3)


def test_the_artist_asks_for_one_look_at_a_time_and_stops_at_the_goal() -> None:
    assert simulated_artist.next_edit(seen(CAT, HOUSE), BOTH) is None
    assert simulated_artist.reached(seen(CAT, HOUSE), BOTH)
    wish = simulated_artist.next_edit(seen(), BOTH)
    assert wish == Add((CAT,))
    green = Thing("cat", "green", 0.2, 0.8, 0.29)
    assert simulated_artist.next_edit(seen(green, HOUSE), BOTH) == Recolour((0,), "red")
    assert simulated_artist.next_edit(None, BOTH) is None


def test_the_artist_does_not_mind_a_place_that_no_relation_names() -> None:
    shifted = Thing("cat", "red", 0.5, 0.8, 0.29)
    assert simulated_artist.next_edit(seen(shifted, HOUSE), BOTH) is None
    related = Scene("meadow", BOTH.things, (Relation(0, "left of", 1),))
    beyond = Thing("house", "blue", 0.48, 0.8, 0.32)
    assert isinstance(simulated_artist.next_edit(seen(beyond, shifted), related), Move)


@pytest.mark.parametrize(
    ("draws", "edits", "reach"), [(BOTH, 0, True), (Scene("night"), simulated_artist.CAP, False)]
)
def test_the_artist_gives_up_at_the_cap(draws: Scene, edits: int, reach: bool) -> None:
    setup = Setup(scripted_model(WorldPainter(draws, rounds=1, fault_rounds=())), Settings(timesteps=3), 0)
    row = simulated_artist.examine(
        setup, simulated_artist.Case(0, "a red cat and a blue house", BOTH, random.Random(0))
    )
    assert (row["edits"], row["edits_reach"]) == (edits, reach)
    assert (row["rolls"], row["rolls_reach"]) == (edits, reach)
    assert row["roll_updates"] == edits + 1


def test_more_figures_than_words_can_count_are_no_scene() -> None:
    crowd = tuple(Thing("star", "yellow", 0.1 * i, 0.2, 0.2) for i in range(1, 8))
    assert readable(seen(*crowd)) is None and readable(seen(*crowd[:6])) is not None
    assert simulated_artist.next_edit(seen(*crowd), BOTH) is None
