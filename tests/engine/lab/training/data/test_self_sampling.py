"""Cases from a model's own sketches: judged as they are, mended where they stand, told like the others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import PIL.Image
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.events import Preview
from engine.core.settings import Settings
from engine.inference.events import Drawn
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.language.parse import parse_prompt
from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.edits import Add
from engine.lab.storybook.scene.mistakes import sample_mistake
from engine.lab.storybook.scene.sampling import make_thing, sample_scene
from engine.lab.storybook.scene.scene import Relation, Scene, Thing
from engine.lab.training.data.cases import (
    MOST_FAULTS,
    Case,
    case_script,
    conflict_case,
    mend,
    mismatch_case,
    opening,
)
from engine.lab.training.data.chains import ChainStep
from engine.lab.training.data.script import Painted, Script
from engine.lab.training.data.self_sampling import own_case, read_plan, sample_cases, settle
from engine.lab.training.data.split import is_held_out
from tests.scripted import ScriptedPainter, scripted_model

SEEDS = st.integers(0, 2**32)
HOUSE = Thing("house", "red", 0.17, 0.65, 0.32)
TREE = Thing("tree", "green", 0.83, 0.65, 0.33)
GOAL = Scene("night", (HOUSE, TREE), (Relation(0, "left of", 1),))


def jittered(scene: Scene, rng: random.Random) -> Scene:
    """The scene as a judge may see it: a little off, poses and relations unknown."""
    things = [make_thing(rng, t.kind, t.colour, t.row, t.column, 0.5, t.scale) for t in scene.things]
    return Scene(scene.background, tuple(replace(t, flip=False, tilt=0.0) for t in things))


class OneHouse(ScriptedPainter):
    """Draws the same picture whatever it is asked for."""

    picture = Scene("night", (Thing("house", "red", 0.5, 0.65, 0.32),))

    def draw(self, *args: Any, **more: Any) -> Iterator[Preview | Drawn]:
        *before, last = super().draw(*args, **more)
        yield from before
        yield replace(last, image=render(self.picture))


def test_a_model_is_sampled_and_every_sketch_is_kept() -> None:
    kept: dict[str, PIL.Image.Image] = {}
    model = scripted_model(OneHouse(rounds=1, fault_rounds=()))
    cases = list(sample_cases(model, Settings(timesteps=3), count=10, seed=0, keep=kept.__setitem__))
    assert len(cases) >= 5
    for case in cases:
        assert isinstance(case.sketch, Painted) and case.sketch.name in kept
        (thing,) = case.sketch.seen.things
        assert (thing.kind, thing.colour) == ("house", "red")
        assert case.told.parts[-1].text.startswith("<ins>")
        assert not [part for part in case.told.parts if part.loss]
    plans = [case.told.parts[-1].text for case in cases]
    assert any("Add a" in text and "The picture shows 1 things" in text for text in plans)
    again = list(sample_cases(model, Settings(timesteps=3), count=10, seed=0, keep=lambda *_: None))
    assert again == cases


class Planned:
    """A session whose pictures are as planned, but for the one of the round ``wrong``."""

    def __init__(self, steps: list[ChainStep], wrong: int | None = None) -> None:
        self._scenes = [step.after for step in steps]
        if wrong is not None:
            self._scenes[wrong] = sample_mistake(self._scenes[wrong], random.Random(0))
        self.drawn = 0

    def sketch(self, told: Script, prompt: str) -> Painted:
        self.drawn += 1
        return Painted(f"p{self.drawn - 1}", self._scenes[self.drawn - 1])

    def go_on(self, *args: Any) -> list:
        return []


@settings(max_examples=40)
@given(SEEDS)
def test_a_model_goes_on_from_its_own_pictures_until_one_is_wrong(seed: int) -> None:
    goal = sample_scene(random.Random(seed))
    _, _, steps = opening(goal, random.Random(seed))
    session: Any = Planned(steps)
    case = own_case(session, goal, random.Random(seed))
    if case is not None:  # else the last plan is the model's own, of which this one has none
        assert case.sketch == Painted(f"p{len(steps) - 1}", steps[-1].after) and case.step == steps[-1]
    if len(steps) > 1:
        assert session.drawn >= len(steps) - 1
        case = own_case(Planned(steps, wrong=0), goal, random.Random(seed))
        assert case is not None and case.step == steps[0] and not case.told.scenes
        script = case_script(case, random.Random(0))
        assert script is None or script.tally["negative"] == 1
    if len(steps) > 2:
        case = own_case(Planned(steps, wrong=1), goal, random.Random(seed))
        assert case is not None and case.told.scenes == [Painted("p0", steps[0].after)]


@settings(max_examples=40)
@given(SEEDS)
def test_own_sketches_are_judged_as_corrupted_scenes_are(seed: int) -> None:
    rng = random.Random(seed)
    for case in (conflict_case(rng), mismatch_case(rng)):
        assert isinstance(case.sketch, Scene)
        own = replace(case, sketch=Painted("a", jittered(case.sketch, rng)))
        script, exact = case_script(own, rng), case_script(case, rng)
        if script is None or exact is None:
            continue
        assert script.tally["negative"] == exact.tally["negative"]
        learned = [script.scenes[p.scene] for p in script.parts if p.kind == "image" and p.loss]
        assert own.sketch not in learned
        assert not [s for s in script.scenes if isinstance(s, Scene) and is_held_out(s)]


@settings(max_examples=40)
@given(SEEDS)
def test_mending_puts_right_what_is_wrong_and_leaves_the_rest(seed: int) -> None:
    rng = random.Random(seed)
    right = sample_scene(rng)
    seen = jittered(sample_mistake(right, rng), rng)
    mended = mend(seen, right)
    assert differences(mended, right) == ()
    if mended is not right:
        wrong = [t for t in seen.things if t not in mended.things]
        assert len(wrong) <= sum(
            len(getattr(e, "indices", (0,))) for e in differences(seen, right) if not isinstance(e, Add)
        )


def test_a_hopeless_sketch_makes_no_script() -> None:
    case = Case(Script(), ChainStep(None, Add((HOUSE, TREE)), GOAL), GOAL, Painted("a", GOAL))
    dog = Thing("dog", "white", 0.83, 0.67, 0.28)
    bad = Scene("sea", (replace(HOUSE, colour="blue"), dog))
    hopeless = Scene("sea", (*bad.things, Thing("sun", "red", 0.5, 0.17, 0.28)))
    assert len(differences(bad, GOAL)) == MOST_FAULTS < len(differences(hopeless, GOAL))
    assert case_script(replace(case, sketch=Painted("a", bad)), random.Random(0)) is not None
    assert case_script(replace(case, sketch=Painted("a", hopeless)), random.Random(0)) is None


class TestAPlanInWords:
    def read(self, text: str, before: Scene | None = None) -> tuple[ChainStep, Scene] | None:
        spec = parse_prompt(text)
        assert spec is not None
        return read_plan(spec, GOAL, before, random.Random(0))

    def test_that_fits_is_what_should_be_and_what_is_missing_comes_later(self) -> None:
        found = self.read("A red house at night.")
        assert found is not None
        step, planned = found
        assert step.after == planned == Scene("night", (HOUSE,))
        assert step.pending[0].kind == "tree" and step.coming == (TREE,)

    def test_with_another_colour_a_thing_too_many_or_another_place_conflicts(self) -> None:
        for text, edit in (
            ("A blue house at night.", "Recolour"),
            ("A red house and a black cat at night.", "Remove"),
            ("A red house in the snow.", "Setting"),
        ):
            found = self.read(text)
            assert found is not None
            step, planned = found
            assert step.after.things[0] == HOUSE
            assert [type(e).__name__ for e in differences(planned, step.after)] == [edit]

    def test_that_adds_nothing_is_no_case(self) -> None:
        assert self.read("A red house at night.", Scene("night", (HOUSE,))) is None

    def test_leaves_places_open_that_it_does_not_name(self) -> None:
        found = self.read("A red house at night.")
        named = self.read("A red house on the right at night.")
        assert found is not None and named is not None
        middle = Scene("night", (replace(HOUSE, x=0.5),))
        open_spec, named_spec = parse_prompt("a red house"), parse_prompt("a red house on the right")
        assert open_spec is not None and named_spec is not None
        step, planned = settle(*found, open_spec, middle)
        assert step.after.things == planned.things == middle.things
        step, planned = settle(*named, named_spec, middle)
        assert step.after.things == planned.things == (replace(HOUSE, x=0.83),)

    def test_against_a_relation_of_the_prompt_is_a_conflict(self) -> None:
        house = Scene("night", (HOUSE,))
        found = self.read("A red house and a green tree on the left at night.")
        assert found is not None and found[0].after.things == found[1].things  # no room there: left as it is
        goal = Scene("night", (replace(HOUSE, x=0.5), TREE), (Relation(0, "left of", 1),))
        spec = parse_prompt("a red house in the middle and a green tree on the left at night")
        assert spec is not None
        read = read_plan(spec, goal, house.with_things(goal.things[:1]), random.Random(0))
        assert read is not None
        step, planned = read
        assert step.after == goal
        assert [type(e).__name__ for e in differences(planned, step.after)] == ["Move"]

    def test_whose_own_relation_cannot_be_laid_out_is_no_case(self) -> None:
        assert self.read("A red house to the left of a green tree at night.") is not None
        assert self.read("A red house to the right of a green tree at night.") is None

    def test_settles_nothing_where_the_goal_names_a_relation(self) -> None:
        both = ChainStep(None, Add((HOUSE, TREE)), GOAL)
        across = Scene("night", (replace(HOUSE, x=0.83), replace(TREE, x=0.17)))
        spec = parse_prompt("a red house and a green tree")
        assert spec is not None
        assert settle(both, GOAL, spec, across) == (both, GOAL)
