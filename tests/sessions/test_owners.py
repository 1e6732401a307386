"""Another owner's id reads as not found, on every public call there is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from engine.core.trajectory import Step
from sessions import NotFound, Store
from tests.sessions.stories import ANN, BOB, Story, grow, plan

OWNERLESS = {"open", "close", "put_image"}
CALLS = sorted(
    name
    for name, member in inspect.getmembers(Store, callable)
    if not name.startswith("_") and name not in OWNERLESS
)
# These name nothing of anyone's; what they give is looked at below.
OF_NOBODY = {"create_session", "sessions", "purge_deleted", "import_png"}
# A run and an answer may still end after their session went into the bin; restoring is what the bin is for.
ALSO_IN_THE_BIN = {"run", "set_run", "note", "set_note", "restore"}


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
        "data": store.export_png(ANN, story.session.id, story.inspect.id),
    }


def call(store: Store, name: str, owner: str, values: dict[str, Any]) -> Any:
    bound: Callable[..., Any] = getattr(store, name)
    needed = [p for p in inspect.signature(bound).parameters.values() if p.default is p.empty]
    return bound(owner, **{p.name: values[p.name] for p in needed if p.name != "owner"})


@pytest.fixture
def story(store):
    return grow(store)


@pytest.fixture
def values(store, story):
    run = store.create_run(ANN, story.session.id, story.branch.id, {})
    note = store.add_note(ANN, story.session.id, story.sketch.id, "What is this?")
    return words(store, story, run.id, note.id)


class TestEveryCallTakesTheOwner:
    def test_there_are_calls_to_look_at(self):
        assert len(CALLS) >= 24

    @pytest.mark.parametrize("name", CALLS)
    def test_first(self, name):
        assert list(inspect.signature(getattr(Store, name)).parameters)[1] == "owner"

    @pytest.mark.parametrize("name", sorted(set(CALLS) - OF_NOBODY))
    def test_and_anothers_id_reads_as_not_found(self, store, story, values, name):
        if name == "restore":
            store.delete(ANN, story.session.id)
        with pytest.raises(NotFound):
            call(store, name, BOB, values)
        call(store, name, ANN, values)  # while for its owner the very same call works

    @pytest.mark.parametrize("name", sorted(set(CALLS) - OF_NOBODY - ALSO_IN_THE_BIN))
    def test_and_what_lies_in_the_bin_reads_as_not_found(self, store, story, values, name):
        store.delete(ANN, story.session.id)
        with pytest.raises(NotFound):
            call(store, name, ANN, values)

    @pytest.mark.parametrize("bad", ["", "x", "../..", "%", "0" * 32, "\x00", "\ud800", "é", "a" * 10_000])
    def test_and_ids_that_are_none_read_as_not_found(self, store, story, values, bad):
        for name in sorted(set(CALLS) - OF_NOBODY):
            for part in ("sid", "run_id", "note_id", "branch_id", "step_id", "tip", "digest"):
                if part in inspect.signature(getattr(store, name)).parameters:
                    with pytest.raises(NotFound):
                        call(store, name, ANN, {**values, part: bad})


class TestOwnersNeverMix:
    def test_lists_show_ones_own(self, store, story):
        assert store.sessions(BOB) == store.sessions(BOB, "house") == store.sessions(BOB, deleted=True) == []
        assert [summary.id for summary in store.sessions(ANN, "house")] == [story.session.id]

    def test_ones_own_session_opens_nobody_elses_things(self, store, story):
        mine = grow(store, BOB, prompt="a boat", seed=8)
        sid = mine.session.id
        for attempt in (
            lambda: store.step(BOB, sid, story.plan.id),
            lambda: store.trajectory(BOB, sid, story.inspect.id),
            lambda: store.branch(BOB, sid, story.branch.id),
            lambda: store.add_step(BOB, sid, plan(mine.inspect.id), story.branch.id),
            lambda: store.fork(BOB, sid, plan(story.inspect.id)),
            lambda: store.fork(BOB, sid, plan(mine.inspect.id), forked_from=story.branch.id),
            lambda: store.create_branch(BOB, sid, story.inspect.id),
            lambda: store.create_run(BOB, sid, story.branch.id, {}),
            lambda: store.image_path(BOB, sid, story.sketch.image),
            lambda: store.pixels(BOB, sid, story.sketch.image),
            lambda: store.export_png(BOB, sid, story.sketch.id),
        ):
            with pytest.raises(NotFound):
                attempt()

    def test_the_same_step_in_two_hands_is_two_rows(self, store):
        both = [store.create_session(owner, "a cat", {}, 1) for owner in (ANN, BOB)]
        roots = [store.branches(owner, one.id)[0].tip for owner, one in zip((ANN, BOB), both, strict=True)]
        assert roots[0] == roots[1]
        store.fork(BOB, both[1].id, Step(roots[1], "think", "person", {"text": "mine"}))
        assert len(store.steps(ANN, both[0].id)) == 1

    def test_an_imported_picture_belongs_to_who_imported_it(self, store, story, values):
        copy = store.import_png(BOB, values["data"])
        assert [s.id for s in store.sessions(BOB)] == [copy.id]
        with pytest.raises(NotFound):
            store.session(ANN, copy.id)
