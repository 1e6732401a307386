"""Several calls as one transaction: all kept or none, and what it read still holds when it writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event

import pytest

from sessions import Conflict, DiskFull, InvalidInput
from tests.sessions.stories import ANN, grow, inspect, plan


class TestCallsInsideATransaction:
    def test_are_kept_when_it_ends(self, store):
        story = grow(store)
        with store.transaction():
            branch = store.tree.fork(ANN, story.session.id, plan(story.prompt.id, "a blue house"))
            store.sessions.rename(ANN, story.session.id, "blue")
        assert store.tree.branch(ANN, story.session.id, branch.id) == branch
        assert store.sessions.get(ANN, story.session.id).title == "blue"

    def test_are_undone_together_when_it_raises(self, store):
        story = grow(store)
        before = store.sessions.get(ANN, story.session.id)
        with pytest.raises(Conflict), store.transaction():
            store.tree.fork(ANN, story.session.id, plan(story.prompt.id, "a blue house"))
            store.sessions.rename(ANN, story.session.id, "blue")
            raise Conflict("it has moved on")
        assert store.sessions.get(ANN, story.session.id) == before
        assert len(store.tree.branches(ANN, story.session.id)) == 1
        assert list(store.tree.steps(ANN, story.session.id)) == story.ids

    def test_see_what_was_written_before_them(self, store):
        story = grow(store)
        with store.transaction():
            branch = store.tree.fork(ANN, story.session.id, plan(story.prompt.id, "a blue house"))
            assert store.tree.branches(ANN, story.session.id) == [story.branch, branch]

    def test_are_undone_alone_when_their_own_failure_is_caught(self, store):
        story = grow(store)
        with store.transaction():
            store.sessions.rename(ANN, story.session.id, "blue")
            with suppress(InvalidInput):
                store.tree.fork(ANN, story.session.id, plan(story.prompt.id), name=" ")
        assert store.sessions.get(ANN, story.session.id).title == "blue"
        assert list(store.tree.steps(ANN, story.session.id)) == story.ids

    def test_can_not_empty_the_bin(self, store):
        with pytest.raises(RuntimeError, match="undone"), store.transaction():
            store.sessions.purge_deleted(ANN)


def test_another_thread_reads_the_state_before_and_writes_after(store):
    story = grow(store)
    sid = story.session.id
    seen, started = [], Event()

    def other() -> None:
        seen.append(store.tree.branch(ANN, sid, story.branch.id).tip)
        started.set()
        late = inspect(story.inspect.id, "written by the other")
        with pytest.raises(Conflict):
            store.tree.add_step(ANN, sid, late, story.branch.id)

    with ThreadPoolExecutor(1) as pool:
        with store.transaction():
            added = store.tree.add_step(ANN, sid, plan(story.inspect.id), story.branch.id)
            running = pool.submit(other)
            assert started.wait(10)
            assert store.tree.branch(ANN, sid, story.branch.id).tip == added.id
        running.result(10)
    assert seen == [story.inspect.id]


def test_a_disk_that_is_full_within_a_transaction_is_called_that(store):
    story = grow(store)
    with store._db.raw() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull), store.transaction():
        for number in range(20):
            store.sessions.create(ANN, f"{number} " + "a long prompt " * 1000, {}, number)
    with store._db.raw() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert len(store.sessions.list(ANN)) == 1
    store.sessions.rename(ANN, story.session.id, "there is room again")
