"""Several threads write and read at once: nothing is lost, nobody waits in vain, one wins a branch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

from engine.core.trajectory import path_to
from sessions import Conflict, Store
from tests.sessions.stories import ANN, BOB, grow, inspect, picture, plan, sketch


class TestTwoThreadsWriting:
    def test_every_step_of_both_arrives_while_a_third_reads(self, store):
        story = grow(store)
        sid = story.session.id
        over = Event()

        def write(number: int) -> str:
            branch = store.tree.create_branch(ANN, sid, story.inspect.id, f"thread {number}")
            tip = branch.tip
            for step in range(10):
                tip = store.tree.add_step(ANN, sid, plan(tip, f"{number}.{step}"), branch.id).id
                digest = store.pictures.put(picture(step % 3))
                tip = store.tree.add_step(ANN, sid, sketch(tip, digest), branch.id).id
            return branch.id

        def read() -> int:
            looks = 0
            while not over.is_set():
                for branch in store.tree.branches(ANN, sid):
                    path_to(store.tree.steps(ANN, sid), branch.tip)  # never a tip without its steps
                looks += 1
            return looks

        with ThreadPoolExecutor(3) as pool:
            reader = pool.submit(read)
            try:
                branches = [writer.result() for writer in [pool.submit(write, n) for n in range(2)]]
            finally:
                over.set()
            assert reader.result() > 0
        for branch in branches:
            assert len(store.tree.trajectory(ANN, sid, store.tree.branch(ANN, sid, branch).tip)) == 24
        assert len(store.tree.steps(ANN, sid)) == 44

    def test_one_wins_the_branch_and_the_other_is_told(self, store):
        story = grow(store)
        start = Barrier(4)

        def write(number: int) -> str:
            start.wait()
            try:
                return store.tree.add_step(
                    ANN, story.session.id, plan(story.inspect.id, f"{number}"), story.branch.id
                ).id
            except Conflict:
                return "conflict"

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(write, range(4)))
        assert found.count("conflict") == 3
        assert store.tree.branch(ANN, story.session.id, story.branch.id).tip in found
        assert len(store.tree.steps(ANN, story.session.id)) == 5

    def test_the_same_picture_from_many_threads_is_one_whole_file(self, store):
        with ThreadPoolExecutor(4) as pool:
            digests = set(pool.map(lambda _: store.pictures.put(picture(1)), range(12)))
        assert len(digests) == 1
        assert [path.suffix for path in (store.home / "images").rglob("*") if path.is_file()] == [".png"]

    def test_purging_beside_painting_takes_no_picture_in_use(self, store):
        story = grow(store, seed=100)
        over = Event()

        def throw_away() -> int:
            gone = 0
            while not over.is_set():
                other = grow(store, BOB, seed=gone % 4)
                store.sessions.delete(BOB, other.session.id)
                gone += store.sessions.purge_deleted(BOB)
            return gone

        with ThreadPoolExecutor(1) as pool:
            thrower = pool.submit(throw_away)
            try:
                for number in range(24):
                    digest = store.pictures.put(picture(number % 4))
                    step = sketch(
                        store.tree.fork(ANN, story.session.id, plan(story.prompt.id, f"{number}")).tip, digest
                    )
                    store.tree.fork(ANN, story.session.id, step)
                    store.pictures.load(ANN, story.session.id, digest)
            finally:
                over.set()
            assert thrower.result() > 0


class TestReadersAndTheWriter:
    def test_a_reader_sees_one_state_while_the_writer_goes_on(self, store):
        story = grow(store)
        with store._db.reading() as reader:
            before = reader.connection().exec_driver_sql("SELECT count(*) FROM steps").scalar_one()
            store.tree.fork(ANN, story.session.id, inspect(story.sketch.id, "bigger"))
            assert reader.connection().exec_driver_sql("SELECT count(*) FROM steps").scalar_one() == before
        assert len(store.tree.steps(ANN, story.session.id)) == before + 1

    def test_a_handed_out_picture_is_ones_own(self, store):
        story = grow(store)
        mine = store.pictures.load(ANN, story.session.id, story.sketch.image)
        mine.paste("black", (0, 0, *mine.size))
        assert store.pictures.load(ANN, story.session.id, story.sketch.image).getextrema() != ((0, 0),) * 3


def test_the_connections_are_set_up_as_promised(store: Store):
    with store._db.transaction() as writer:
        said = {p: writer.connection().exec_driver_sql(f"PRAGMA {p}").scalar_one() for p in PRAGMAS}
    assert said == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "synchronous": 2,
        "query_only": 0,
    }
    with store._db.reading() as reader:
        said = {p: reader.connection().exec_driver_sql(f"PRAGMA {p}").scalar_one() for p in PRAGMAS}
    assert said == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "synchronous": 2,
        "query_only": 1,
    }


PRAGMAS = ("journal_mode", "foreign_keys", "busy_timeout", "synchronous", "query_only")
