"""A studio with a real store, a real worker and the scripted painter, and commands to it. No browser."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from typing import Any

from PIL import Image
from starlette.testclient import TestClient

from engine.core.settings import Settings
from engine.core.trajectory import Step
from studio.commands import handle
from studio.state import StudioState

PATIENCE = 60.0
"""Seconds for what a busy machine may be slow at."""


def do(state: StudioState, action: str, owner: str = "local", **values: Any) -> dict[str, Any]:
    return handle(state, owner, {"action": action, "nonce": "n", **values})


def begin(state: StudioState, prompt: str = "a red house", owner: str = "local", **settings: Any) -> str:
    """A session whose first run is over."""
    wish = {**Settings().as_dict(), **settings}
    reply = do(state, "create", owner, sid=None, prompt=prompt, settings=wish, seed=7)
    assert reply["ok"], reply
    settle(state, reply["session"], owner)
    return reply["session"]


def settle(state: StudioState, sid: str, owner: str = "local") -> str:
    """Waits until nothing runs; the state of the newest run."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        runs = state.store.runs.list(owner, sid)
        if (
            runs
            and all(run.state not in ("queued", "running") for run in runs)
            and not state.recorder.live(sid)
        ):
            return runs[0].state
        time.sleep(0.01)
    raise AssertionError([run.state for run in state.store.runs.list(owner, sid)])


def wait(until: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Blocks until ``until()`` holds; fails the test when it does not."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.01)


def steps(state: StudioState, sid: str, branch: int = -1) -> list[Step]:
    tip = state.store.tree.branches("local", sid)[branch].tip
    return state.store.tree.trajectory("local", sid, tip)


def png(size: tuple[int, int] = (64, 64), colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def stream(client: TestClient, state: StudioState, sid: str, after: int) -> list[dict[str, Any]]:
    answer = client.get(
        f"/studio/{sid}/events", params={"after": after, "t": state.tokens.mint("page", "local")}
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]
