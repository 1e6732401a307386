"""Notes: questions about a picture, kept beside its step and gone with its session."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from sessions import InvalidInput, NotFound, Store
from sessions.doctor import examine
from tests.sessions.stories import ANN, BOB, grow


@pytest.fixture
def made_home(grown_home):
    return grown_home


@pytest.fixture
def story(grown_once):
    return grown_once[1]


@pytest.fixture
def asked(store, story):
    return story, store.notes.add(ANN, story.session.id, story.sketch.id, "How many houses\0 are there? ")


def test_a_question_is_kept_before_it_is_answered_and_the_answer_with_its_recipe(store, asked):
    story, note = asked
    assert (note.question, note.answer, note.state) == ("How many houses are there?", "", "queued")
    store.notes.set(ANN, note.id, "running")
    done = store.notes.set(ANN, note.id, "done", answer="One.\0", recipe={"seed": 3}, result={"tokens": 2})
    assert (done.answer, done.recipe, done.result, done.is_over) == ("One.", {"seed": 3}, {"tokens": 2}, True)
    assert store.notes.list(ANN, story.session.id) == [store.notes.get(ANN, note.id)] == [done]


def test_it_changes_no_step_and_no_branch(store, asked):
    story, note = asked
    store.notes.set(ANN, note.id, "done", answer="One.")
    assert list(store.tree.steps(ANN, story.session.id)) == story.ids
    assert [branch.tip for branch in store.tree.branches(ANN, story.session.id)] == [story.inspect.id]


def test_the_first_end_stays(store, asked):
    _, note = asked
    store.notes.set(ANN, note.id, "cancelled", cause="Stopped.")
    late = store.notes.set(ANN, note.id, "done", answer="Too late.")
    assert (late.state, late.answer, late.cause) == ("cancelled", "", "Stopped.")
    with pytest.raises(InvalidInput, match="no state 'paused'"):
        store.notes.set(ANN, note.id, "paused")


def test_only_a_picture_can_be_asked_about_and_only_in_words(store, asked):
    story, _ = asked
    with pytest.raises(InvalidInput, match="no picture"):
        store.notes.add(ANN, story.session.id, story.plan.id, "What?")
    for empty in ("", " \0\n", "x" * 20_001):
        with pytest.raises(InvalidInput, match="between 1 and 20,000"):
            store.notes.add(ANN, story.session.id, story.sketch.id, empty)


def test_somebody_elses_reads_as_not_found(store, asked):
    story, note = asked
    for call in (
        lambda: store.notes.get(BOB, note.id),
        lambda: store.notes.list(BOB, story.session.id),
        lambda: store.notes.add(BOB, story.session.id, story.sketch.id, "What?"),
        lambda: store.notes.set(BOB, note.id, "done"),
        lambda: store.notes.delete(BOB, note.id),
    ):
        with pytest.raises(NotFound):
            call()


def test_a_question_that_a_dead_process_left_is_lost(home):
    with Store.open(home) as store:
        story = grow(store)
        note = store.notes.add(ANN, story.session.id, story.sketch.id, "What?")
    with Store.open(home) as store:
        found = store.notes.get(ANN, note.id)
        assert (found.state, found.next_action) == ("lost", "Ask it again.")


def test_answers_go_into_a_duplicate_and_questions_do_not(store, asked):
    story, note = asked
    store.notes.set(ANN, note.id, "done", answer="One.")
    store.notes.add(ANN, story.session.id, story.sketch.id, "And now?")
    copy = store.sessions.duplicate(ANN, story.session.id)
    (copied,) = store.notes.list(ANN, copy.id)
    assert (copied.answer, copied.step_id) == ("One.", story.sketch.id) and copied.id != note.id


def test_they_go_with_their_session_or_one_by_one(store, asked):
    story, note = asked
    store.notes.delete(ANN, note.id)
    assert store.notes.list(ANN, story.session.id) == []
    store.notes.add(ANN, story.session.id, story.sketch.id, "What?")
    store.sessions.delete(ANN, story.session.id)
    store.sessions.purge_deleted(ANN)
    with closing(sqlite3.connect(store.home / "restroke.db")) as sql:
        assert sql.execute("SELECT count(*) FROM notes").fetchone() == (0,)


def test_the_doctor_looks_at_them(store, asked):
    with sqlite3.connect(store.home / "restroke.db") as other:
        other.execute("UPDATE notes SET state = 'bored'")
    faults = {check.name: check.faults for check in examine(store.home)}
    assert len(faults["notes"]) == 1 and "no known state" in faults["notes"][0]
