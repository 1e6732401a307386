"""A model that takes long to load: every tab is told how far it is, and closing the studio stops it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.checkpoints.progress import LoadProgress
from engine.checkpoints.reader import load_checkpoint
from engine.inference.painter import Painter
from engine.inference.runtime_config import RuntimeConfig
from engine.runs.opened_model import OpenedModel, with_protocols
from sessions import Store
from studio.commands import handle
from studio.event_log import EVERYONE
from studio.state import StudioState
from tests.studio.states import wait
from tests.tiny import CKPT


class HeldAtHalf:
    """Opens the tiny checkpoint and waits half-way until it may go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.loading = LoadProgress(self._hold)

    def _hold(self, now: LoadProgress) -> None:
        if now.share > 0.5:
            self.go_on.wait(20)

    def __call__(self) -> OpenedModel:
        checkpoint = load_checkpoint(CKPT, loading=self.loading)
        return with_protocols(Painter(checkpoint, "cpu", RuntimeConfig(context_bytes=2**20)))


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[StudioState, HeldAtHalf]]:
    opener = HeldAtHalf()
    with Store.open(tmp_path) as store:
        state = StudioState.open(store, opener, opener.loading)
        wait(lambda: state.worker.snapshot().loaded > 0.5, seconds=60)
        yield state, opener
        opener.go_on.set()
        state.worker.close()


def test_tabs_hear_how_much_is_there_and_when_it_is_ready(held: tuple[StudioState, HeldAtHalf]) -> None:
    state, opener = held
    (event,) = state.log.after([EVERYONE], state.log.seq - 1)
    assert event["kind"] == "worker" and event["worker"]["state"] == "loading"
    assert 0.4 < event["worker"]["loaded"] < 1
    assert 0.5 < state.home_snapshot("local")["worker"]["loaded"] < 1
    opener.go_on.set()
    wait(lambda: state.worker.snapshot().state == "ready")
    wait(lambda: state.log.after([EVERYONE], state.log.seq - 1)[-1]["worker"]["state"] == "ready")
    assert state.log.after([EVERYONE], state.log.seq - 1)[-1]["worker"]["loaded"] == 1


def test_a_person_stops_the_load_from_the_page_but_a_visitor_of_a_public_studio_cannot(
    held: tuple[StudioState, HeldAtHalf],
) -> None:
    state, opener = held
    public = replace(state, loopback_only=False)
    refused = handle(public, "somebody", {"action": "stop_loading", "sid": None, "nonce": 1})
    assert not refused["ok"] and "Only the person who runs this studio" in refused["error"]
    assert handle(state, "local", {"action": "stop_loading", "sid": None, "nonce": 2})["ok"]
    opener.go_on.set()
    wait(lambda: state.worker.snapshot().state == "failed")
    working = state.worker.snapshot()
    assert "Loading was stopped" in working.cause and "Start Restroke again" in working.next_action
    assert opener.loading.share < 0.95


def test_closing_the_studio_stops_the_load(held: tuple[StudioState, HeldAtHalf]) -> None:
    state, opener = held
    closing = threading.Thread(target=state.worker.close)
    closing.start()
    opener.go_on.set()
    closing.join()
    assert not state.worker._thread.is_alive()
    assert opener.loading.share < 0.95 and "stopped" in state.worker.snapshot().cause
