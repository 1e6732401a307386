"""Conflicts and mismatches: faults that the words show, found in the papers' shares, and mended exactly."""

from __future__ import annotations

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.lab.storybook.language import sentences
from engine.lab.storybook.language.parse import parse_prompt
from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.edits import Add, apply
from engine.lab.storybook.scene.sampling import fits, sample_scene
from engine.lab.storybook.scene.scene import Relation, Scene, Thing
from engine.lab.training.data import conflicts, mismatches
from engine.lab.training.data.cases import conflict_script, mismatch_script
from engine.lab.training.data.chains import chain
from engine.lab.training.data.conflicts import sample_conflict
from engine.lab.training.data.mismatches import sample_mismatch
from engine.lab.training.data.split import is_held_out

SEEDS = st.integers(0, 2**32)


@settings(max_examples=80)
@given(SEEDS)
def test_a_conflict_is_with_words_of_the_prompt_and_only_about_what_the_step_adds(seed: int) -> None:
    rng = random.Random(seed)
    goal = sample_scene(rng)
    prompt = sentences.prompt(goal, rng)
    spec = parse_prompt(prompt)
    assert spec is not None
    for step in chain(goal, rng, varied=0):
        wrong = sample_conflict(step, prompt, rng)
        if wrong is None:
            continue
        old = len(step.before.things) if step.before else 0
        assert wrong.after.things[:old] == step.after.things[:old]
        assert isinstance(wrong.edit, Add) and wrong.edit.things == wrong.after.things[old:]
        room = [*wrong.after.things, *step.coming]
        assert all(fits(t, [o for o in room if o is not t]) for t in wrong.edit.things)
        asked = {(w.kind, c): w.count for w in spec.wants for c in (w.colour, None)}
        against = wrong.after.background != spec.background or len(wrong.after.relations) < len(
            step.after.relations
        )
        for group in wrong.after.groups():
            wish = next((w for w in spec.wants if w.kind == group.kind and w.colour is None), None)
            allowed = wish.count if wish else asked.get((group.kind, group.colour), 0)
            sizes = {w.scale for w in spec.wants if w.kind == group.kind} - {None}
            against |= group.count > allowed or (bool(sizes) and group.scale not in sizes)
        assert against, (prompt, wrong.after)


@settings(max_examples=60)
@given(SEEDS)
def test_a_mismatch_is_mended_by_the_edits_that_the_inspection_orders(seed: int) -> None:
    rng = random.Random(seed)
    for step in chain(sample_scene(rng), rng, varied=1):
        now = sample_mismatch(step, rng)
        edits = differences(now, step.after)
        assert edits
        for edit in edits:
            now = apply(now, edit)
        assert differences(now, step.after) == ()


def test_a_colour_that_the_prompt_leaves_open_is_no_conflict() -> None:
    house = Thing("house", "red", 0.17, 0.65, 0.32)
    (step,) = chain(Scene("night", (house,)), random.Random(3), varied=0)
    for seed in range(60):
        wrong = sample_conflict(step, "a house at night", random.Random(seed))
        assert wrong is not None
        assert not any(t.kind == "house" and t.colour != "red" for t in wrong.after.things)


def test_every_conflict_comes_up() -> None:
    house, tree = Thing("house", "red", 0.17, 0.65, 0.22), Thing("tree", "green", 0.83, 0.65, 0.33)
    goal = Scene("night", (house, tree), (Relation(0, "left of", 1),))
    prompt = "a small red house left of a green tree at night"
    found = set()
    for seed in range(200):
        rng = random.Random(seed)
        step = chain(goal, rng, varied=0)[-1]
        wrong = sample_conflict(step, prompt, rng)
        if wrong is not None:
            if looks(wrong.after) == looks(step.after) and len(wrong.after.relations) < 1:
                found.add("relation")
            found |= {type(edit).__name__ for edit in differences(wrong.after, step.after)}
    assert found == {"Recolour", "Resize", "Swap", "relation", "Remove", "Setting"}


def looks(scene: Scene) -> set[tuple[str, str, int]]:
    return {(g.kind, g.colour, g.count) for g in scene.groups()}


class TestTheShortScripts:
    def test_right_and_wrong_come_in_the_papers_shares(self) -> None:
        for write, share in ((conflict_script, conflicts.POSITIVE), (mismatch_script, mismatches.POSITIVE)):
            scripts = [write(random.Random(seed)) for seed in range(500)]
            assert all(s.tally["positive"] + s.tally["negative"] == 1 for s in scripts)
            assert abs(sum(s.tally["positive"] for s in scripts) / 500 - share) < 0.07

    @settings(max_examples=50)
    @given(SEEDS, st.sampled_from((conflict_script, mismatch_script)))
    def test_the_last_inspection_is_the_only_text_to_learn(self, seed: int, write: object) -> None:
        script = write(random.Random(seed))  # type: ignore[operator]
        spoken = [part for part in script.parts if part.kind == "text" and part.loss]
        assert len(spoken) == 1
        wrong = bool(re.search("This is wrong|Not right yet|There is a mistake", spoken[0].text))
        assert wrong == ("<refine>" in spoken[0].text) == bool(script.tally["negative"])
        assert script.parts[-1].loss and script.parts[-1].kind == ("image" if wrong else "text")
        assert not [shown for shown in script.scenes if is_held_out(shown)]

    @settings(max_examples=50)
    @given(SEEDS)
    def test_only_a_sketch_at_fault_is_no_target(self, seed: int) -> None:
        for write, may_learn in ((conflict_script, True), (mismatch_script, False)):
            parts = write(random.Random(seed)).parts
            if parts[-1].kind == "image":
                assert parts[-3].kind == "image" and parts[-3].loss == may_learn
            else:
                assert parts[-2].loss

    def test_a_fault_says_whose_it_is(self) -> None:
        for seed in range(40):
            for write, blamed in ((conflict_script, "The plan "), (mismatch_script, "The sketch ")):
                script = write(random.Random(seed))
                verdict = next(p.text for p in script.parts if p.kind == "text" and p.loss)
                assert (blamed in verdict) == bool(script.tally["negative"])
