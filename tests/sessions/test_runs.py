"""A run has a row before its work starts, and its first end stands."""

from __future__ import annotations

import pytest

from sessions import InvalidInput, Store
from tests.sessions.stories import ANN, grow


@pytest.fixture
def made_home(grown_home):
    return grown_home


@pytest.fixture
def story(grown_once):
    return grown_once[1]


class TestARunRow:
    def test_is_queued_before_anything_happens(self, store, story):
        run = store.runs.create(ANN, story.session.id, story.branch.id, {"mode": "auto"})
        assert (run.state, run.cause, run.next_action, run.raw) == ("queued", "", "", "")
        assert (run.session_id, run.branch_id, run.settings) == (
            story.session.id,
            story.branch.id,
            {"mode": "auto"},
        )
        assert store.runs.get(ANN, run.id) == run

    def test_keeps_why_it_failed_and_what_the_model_wrote(self, store, story):
        run = store.runs.create(ANN, story.session.id, story.branch.id, {})
        store.runs.set(ANN, run.id, "running")
        store.runs.set(ANN, run.id, "failed", "The text had no end.", "Run it again.", raw="<ins>\x00<b>half")
        kept = store.runs.get(ANN, run.id)
        assert (kept.state, kept.cause, kept.next_action) == (
            "failed",
            "The text had no end.",
            "Run it again.",
        )
        assert kept.raw == "<ins><b>half"

    def test_raw_text_may_come_after_the_failure(self, store, story):
        run = store.runs.create(ANN, story.session.id, story.branch.id, {})
        store.runs.set(ANN, run.id, "failed", "why", "what next")
        assert store.runs.set(ANN, run.id, "failed", "why", "what next", raw="half").raw == "half"
        assert store.runs.set(ANN, run.id, "failed", "why", "what next").raw == "half"

    @pytest.mark.parametrize("end", ["done", "failed", "cancelled", "lost"])
    def test_keeps_its_first_end(self, store, story, end):
        run = store.runs.create(ANN, story.session.id, story.branch.id, {})
        ended = store.runs.set(ANN, run.id, end, "first")
        assert ended.is_over
        for state in {"queued", "running", "paused", "done", "failed", "cancelled", "lost"} - {end}:
            assert store.runs.set(ANN, run.id, state, "second") == ended

    def test_goes_on_after_a_pause(self, store, story):
        run = store.runs.create(ANN, story.session.id, story.branch.id, {})
        assert not store.runs.set(ANN, run.id, "paused", "waiting for you").is_over
        assert store.runs.set(ANN, run.id, "running").state == "running"

    def test_is_in_no_state_anybody_makes_up(self, store, story):
        run = store.runs.create(ANN, story.session.id, story.branch.id, {})
        with pytest.raises(InvalidInput, match="no run state 'finished'"):
            store.runs.set(ANN, run.id, "finished")

    def test_is_listed_newest_first(self, store, story):
        runs = [store.runs.create(ANN, story.session.id, story.branch.id, {"n": n}) for n in range(3)]
        assert store.runs.list(ANN, story.session.id) == runs[::-1]

    def test_can_be_ended_while_its_session_lies_in_the_bin(self, store, story):
        run = store.runs.create(ANN, story.session.id, story.branch.id, {})
        store.sessions.delete(ANN, story.session.id)
        assert store.runs.set(ANN, run.id, "cancelled").state == "cancelled"


class TestWhatADeadProcessLeft:
    def test_queued_and_running_are_lost_and_the_rest_is_as_it_was(self, home):
        states = ["queued", "running", "paused", "done", "failed", "cancelled"]
        with Store.open(home) as store:
            story = grow(store)
            runs = [store.runs.create(ANN, story.session.id, story.branch.id, {}) for _ in states]
            for run, state in zip(runs, states, strict=True):
                store.runs.set(ANN, run.id, state)
        with Store.open(home) as store:
            assert store.lost_at_open == 2
            found = [store.runs.get(ANN, run.id).state for run in runs]
            assert found == ["lost", "lost", "paused", "done", "failed", "cancelled"]
            again = store.runs.create(ANN, story.session.id, story.branch.id, {})
            assert store.runs.set(ANN, again.id, "running").state == "running"
