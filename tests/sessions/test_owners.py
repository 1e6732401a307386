"""Another owner's id reads as not found, on every public call there is."""

from __future__ import annotations

import inspect
from operator import attrgetter
from typing import Any

import pytest

from engine.core.trajectory import Step
from sessions import NotFound, Store
from sessions.notes import Notes
from sessions.pictures import Pictures
from sessions.runs import Runs
from sessions.session_list import SessionList
from sessions.store_base import StoreBase
from sessions.tree import Tree
from tests.sessions.stories import ANN, BOB, Story, grow, plan

PARTS = {"sessions": SessionList, "tree": Tree, "pictures": Pictures, "runs": Runs, "notes": Notes}
CALLS = sorted(
    f"{part}.{name}"
    for part, kind in PARTS.items()
    for name, _ in inspect.getmembers(kind, callable)
    if not name.startswith("_") and (part, name) != ("pictures", "put")  # which is nobody's
)
# These name nothing of anyone's; what they give is looked at below.
OF_NOBODY = {"sessions.create", "sessions.list", "sessions.purge_deleted", "pictures.import_png"}
# A run and an answer may still end after their session went into the bin; restoring is what the bin is for.
ALSO_IN_THE_BIN = {"runs.get", "runs.set", "notes.get", "notes.set", "sessions.restore"}


def words(store: Store, story: Story, run_id: str, note_id: str) -> dict[str, Any]:
    """A value for every parameter of the public calls, of Ann's."""
    return {
        "sid": story.session.id,
        "branch_id": story.branch.id,
        "run_id": run_id,
        "note_id": note_id,
        "step_id": story.sketch.id,
        "tip": story.inspect.id,
        "digest": story.sketch.image,
        "step": plan(story.inspect.id, "next"),
        "title": "new",
        "name": "new",
        "settings": {},
        "state": "running",
        "prompt": "a cat",
        "question": "What is this?",
        "seed": 1,
        "search": "",
        "data": store.pictures.export_png(ANN, story.session.id, story.inspect.id),
    }


def call(store: Store, name: str, owner: str, values: dict[str, Any]) -> Any:
    bound = attrgetter(name)(store)
    needed = [p for p in inspect.signature(bound).parameters.values() if p.default is p.empty]
    return bound(owner, **{p.name: values[p.name] for p in needed if p.name != "owner"})


@pytest.fixture
def made_home(grown_home):
    return grown_home


@pytest.fixture
def story(grown_once):
    return grown_once[1]


@pytest.fixture
def values(store, story):
    run = store.runs.create(ANN, story.session.id, story.branch.id, {})
    note = store.notes.add(ANN, story.session.id, story.sketch.id, "What is this?")
    return words(store, story, run.id, note.id)


class TestEveryCallTakesTheOwner:
    def test_there_are_calls_to_look_at(self, store):
        assert len(CALLS) >= 24
        parts = {name: type(part) for name, part in vars(store).items() if isinstance(part, StoreBase)}
        assert parts == PARTS

    @pytest.mark.parametrize("name", CALLS)
    def test_first(self, store, name):
        assert next(iter(inspect.signature(attrgetter(name)(store)).parameters)) == "owner"

    @pytest.mark.parametrize("name", sorted(set(CALLS) - OF_NOBODY))
    def test_and_anothers_id_reads_as_not_found(self, store, story, values, name):
        if name == "sessions.restore":
            store.sessions.delete(ANN, story.session.id)
        with pytest.raises(NotFound):
            call(store, name, BOB, values)
        call(store, name, ANN, values)  # while for its owner the very same call works

    @pytest.mark.parametrize("name", sorted(set(CALLS) - OF_NOBODY - ALSO_IN_THE_BIN))
    def test_and_what_lies_in_the_bin_reads_as_not_found(self, store, story, values, name):
        store.sessions.delete(ANN, story.session.id)
        with pytest.raises(NotFound):
            call(store, name, ANN, values)

    @pytest.mark.parametrize("bad", ["", "x", "../..", "%", "0" * 32, "\x00", "\ud800", "é", "a" * 10_000])
    def test_and_ids_that_are_none_read_as_not_found(self, store, story, values, bad):
        for name in sorted(set(CALLS) - OF_NOBODY):
            for part in ("sid", "run_id", "note_id", "branch_id", "step_id", "tip", "digest"):
                if part in inspect.signature(attrgetter(name)(store)).parameters:
                    with pytest.raises(NotFound):
                        call(store, name, ANN, {**values, part: bad})


class TestOwnersNeverMix:
    def test_lists_show_ones_own(self, store, story):
        assert (
            store.sessions.list(BOB)
            == store.sessions.list(BOB, "house")
            == store.sessions.list(BOB, deleted=True)
            == []
        )
        assert [summary.id for summary in store.sessions.list(ANN, "house")] == [story.session.id]

    def test_ones_own_session_opens_nobody_elses_things(self, store, story):
        mine = grow(store, BOB, prompt="a boat", seed=8)
        sid = mine.session.id
        for attempt in (
            lambda: store.tree.step(BOB, sid, story.plan.id),
            lambda: store.tree.trajectory(BOB, sid, story.inspect.id),
            lambda: store.tree.branch(BOB, sid, story.branch.id),
            lambda: store.tree.add_step(BOB, sid, plan(mine.inspect.id), story.branch.id),
            lambda: store.tree.fork(BOB, sid, plan(story.inspect.id)),
            lambda: store.tree.create_branch(BOB, sid, story.inspect.id),
            lambda: store.runs.create(BOB, sid, story.branch.id, {}),
            lambda: store.pictures.path(BOB, sid, story.sketch.image),
            lambda: store.pictures.load(BOB, sid, story.sketch.image),
            lambda: store.pictures.export_png(BOB, sid, story.sketch.id),
        ):
            with pytest.raises(NotFound):
                attempt()

    def test_the_same_step_in_two_hands_is_two_rows(self, store):
        both = [store.sessions.create(owner, "a cat", {}, 1) for owner in (ANN, BOB)]
        roots = [
            store.tree.branches(owner, one.id)[0].tip for owner, one in zip((ANN, BOB), both, strict=True)
        ]
        assert roots[0] == roots[1]
        store.tree.fork(BOB, both[1].id, Step(roots[1], "think", "person", {"text": "mine"}))
        assert len(store.tree.steps(ANN, both[0].id)) == 1

    def test_an_imported_picture_belongs_to_who_imported_it(self, store, story, values):
        copy = store.pictures.import_png(BOB, values["data"])
        assert [s.id for s in store.sessions.list(BOB)] == [copy.id]
        with pytest.raises(NotFound):
            store.sessions.get(ANN, copy.id)
