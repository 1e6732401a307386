"""Steps never change, are kept once, and only branches move."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.trajectory import Step
from sessions import Conflict, InvalidInput, NotFound, Store
from tests.sessions.stories import ANN, RECIPE, grow, inspect, picture, plan, sketch


class TestStepsAreKeptOnce:
    def test_the_same_picture_is_one_file(self, store):
        first, second = store.pictures.put(picture(1)), store.pictures.put(picture(1).copy())
        assert first == second
        assert len(list((store.home / "images").rglob("*.png"))) == 1

    def test_adding_the_tip_again_changes_nothing(self, store):
        story = grow(store)
        before = store.tree.steps(ANN, story.session.id)
        store.tree.add_step(ANN, story.session.id, story.inspect, story.branch.id)
        assert store.tree.steps(ANN, story.session.id) == before
        assert store.tree.branch(ANN, story.session.id, story.branch.id) == story.branch

    def test_the_same_step_under_two_branches_is_one_row(self, store):
        story = grow(store)
        sid = story.session.id
        other = store.tree.create_branch(ANN, sid, story.prompt.id)
        store.tree.add_step(ANN, sid, replace(story.plan, result={"seconds": 9}), other.id)
        assert list(store.tree.steps(ANN, sid)) == story.ids
        assert store.tree.branch(ANN, sid, other.id).tip == story.plan.id
        assert store.tree.step(ANN, sid, story.plan.id).result["seconds"] == 0.5


class TestForkingKeepsTheOldBranch:
    def test_an_edit_makes_a_branch_and_moves_no_other(self, store):
        story = grow(store)
        sid = story.session.id
        edited = replace(
            plan(story.prompt.id, "draw a blue house", "person"), recipe={"edited_from": story.plan.id}
        )
        new = store.tree.fork(ANN, sid, edited)
        assert store.tree.branches(ANN, sid) == [story.branch, new]
        assert (new.name, new.tip, new.forked_at) == ("idea 2", edited.id, story.prompt.id)
        assert [s.id for s in store.tree.trajectory(ANN, sid, new.tip)] == [story.prompt.id, edited.id]
        assert [s.id for s in store.tree.trajectory(ANN, sid, story.branch.tip)] == story.ids

    def test_forking_writes_only_the_new_step(self, store):
        story = grow(store)
        store.tree.fork(ANN, story.session.id, inspect(story.sketch.id, "make the roof red"))
        assert len(store.tree.steps(ANN, story.session.id)) == 5

    def test_a_branch_on_an_interior_step_drops_what_came_after(self, store):
        story = grow(store)
        new = store.tree.create_branch(ANN, story.session.id, story.plan.id, "from the plan")
        assert [s.id for s in store.tree.trajectory(ANN, story.session.id, new.tip)] == story.ids[:2]

    def test_a_rewritten_prompt_is_a_second_root(self, store):
        story = grow(store)
        sid = story.session.id
        prompt = Step(None, "prompt", "person", {"text": "a cat"}, recipe={"session_seed": 7})
        new = store.tree.fork(ANN, sid, prompt)
        assert [s.fields["text"] for s in store.tree.trajectory(ANN, sid, new.tip)] == ["a cat"]
        assert new.forked_at is None
        assert len(store.tree.branches(ANN, sid)) == 2

    def test_two_people_editing_the_same_card_both_keep_their_edit(self, store):
        story = grow(store)
        sid = story.session.id
        edits = [plan(story.prompt.id, words, "person") for words in ("a blue house", "a green house")]
        tips = [store.tree.fork(ANN, sid, edit).tip for edit in edits]
        assert tips == [edit.id for edit in edits]
        assert [b.name for b in store.tree.branches(ANN, sid)] == ["first idea", "idea 2", "idea 3"]

    def test_nothing_is_kept_of_a_fork_that_fails(self, store):
        story = grow(store)
        with pytest.raises(InvalidInput):
            store.tree.fork(ANN, story.session.id, plan(story.prompt.id, "new words"), name=" ")
        assert len(store.tree.steps(ANN, story.session.id)) == 4
        assert len(store.tree.branches(ANN, story.session.id)) == 1


class TestAMovedBranchIsAConflict:
    def test_a_step_that_no_longer_follows_the_tip_is_refused(self, store):
        story = grow(store)
        late = plan(story.sketch.id, "written while the inspection was made")
        with pytest.raises(Conflict, match="has moved on.*Nothing was overwritten"):
            store.tree.add_step(ANN, story.session.id, late, story.branch.id)
        assert late.id not in store.tree.steps(ANN, story.session.id)
        assert store.tree.branch(ANN, story.session.id, story.branch.id) == story.branch

    def test_its_words_can_still_be_kept_as_a_branch(self, store):
        story = grow(store)
        late = inspect(story.sketch.id, "too small")
        assert store.tree.fork(ANN, story.session.id, late).tip == late.id


class TestOnlySoundStepsGetIn:
    def test_a_step_without_its_parent_is_refused(self, store):
        story = grow(store)
        with pytest.raises(NotFound):
            store.tree.fork(ANN, story.session.id, plan("cd" * 32))

    def test_a_picture_must_be_kept_before_its_step(self, store):
        story = grow(store)
        with pytest.raises(InvalidInput, match="Save the picture first"):
            store.tree.fork(ANN, story.session.id, sketch(story.plan.id, "ab" * 32))

    @pytest.mark.parametrize("name", ["../../etc/passwd", "AB" * 32, "ab" * 31, "", "ab" * 32 + "\n"])
    def test_what_is_no_digest_is_never_a_path(self, store, name):
        story = grow(store)
        with pytest.raises((InvalidInput, ValueError)):
            store.tree.fork(ANN, story.session.id, replace(sketch(story.plan.id, "x"), image=name))
        with pytest.raises(NotFound):
            store.pictures.path(ANN, story.session.id, name)

    @pytest.mark.parametrize(
        "recipe", [{"seed": float("nan")}, {1: "a"}, {"a": {2: 3}}, {"a": "\ud800"}, {"a": set()}]
    )
    def test_a_recipe_that_would_not_hash_the_same_again_is_refused(self, store, recipe):
        story = grow(store)
        with pytest.raises(InvalidInput, match="plain JSON"):
            store.tree.fork(ANN, story.session.id, replace(plan(story.prompt.id), recipe=recipe))

    def test_a_text_without_end_is_refused_with_its_length(self, store):
        story = grow(store)
        with pytest.raises(InvalidInput, match=r"instruction is 20,001 characters"):
            store.tree.fork(ANN, story.session.id, plan(story.prompt.id, "x" * 20_001))

    def test_the_tables_themselves_hold_the_pointers(self, store):
        story = grow(store)
        with sqlite3.connect(store.home / "restroke.db") as other:
            other.execute("PRAGMA foreign_keys = ON")
            with pytest.raises(sqlite3.IntegrityError):
                other.execute("UPDATE branches SET tip = ?", ("ab" * 32,))
            with pytest.raises(sqlite3.IntegrityError):
                other.execute("DELETE FROM steps WHERE id = ?", (story.plan.id,))


class TestAStepComesBackAsItWas:
    """Whatever a person or a model writes, the row gives the same hash again."""

    texts = st.text(st.characters(exclude_categories=()), max_size=60)

    @given(text=texts, number=st.floats(allow_nan=False, allow_infinity=False))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_text_and_any_number(self, store, text, number):
        session = store.sessions.create(ANN, "a cat", {}, 1)
        root = store.tree.branches(ANN, session.id)[0].tip
        step = Step(root, "think", "person", {"text": text}, recipe={**RECIPE, "number": number})
        kept = store.tree.step(ANN, session.id, store.tree.fork(ANN, session.id, step).tip)
        assert kept.fields["text"] == "".join(c for c in text if c != "\0" and not "\ud800" <= c <= "\udfff")
        assert kept.recipe == step.recipe
        assert kept.id == replace(kept).id

    def test_after_closing_and_opening(self, home):
        with Store.open(home) as store:
            story = grow(store, prompt="‮ evil <b>&amp; </ins><|vision_start|> 🏠")
        with Store.open(home) as store:
            steps = store.tree.steps(ANN, story.session.id)
            assert list(steps) == story.ids
            assert list(steps.values()) == [story.prompt, story.plan, story.sketch, story.inspect]
            assert steps[story.plan.id].result == story.plan.result
            assert (
                store.pictures.load(ANN, story.session.id, story.sketch.image).tobytes()
                == picture(7).tobytes()
            )
