"""A session that is begun before the model is there: it waits, and then goes by the model's own settings."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

import app
from engine.core.image_sizes import ImageSizes
from sessions import Session, Store
from studio.routes import routes
from studio.state import StudioState
from tests.scripted import ScriptedPainter
from tests.studio.states import do, settle, steps, wait

OWN = {"timesteps": 40, "guidance": 4.0, "max_seconds": 3600.0}
WAYS = ("direct", "think", "irg")
CANVAS = ImageSizes((128, 128), 16, 128, 256)


class Held:
    """A studio, as the app opens it, whose model is there only after ``arrive``."""

    def __init__(self, store: Store, canvas: ImageSizes = CANVAS, ways: tuple[str, ...] = WAYS) -> None:
        self._go, self._canvas, self._ways = threading.Event(), canvas, ways
        opened = app._Opened(self._open)
        self.room = StudioState.open(store, opened, loopback_only=False)
        opened.room.set_result(self.room)

    def _open(self) -> ScriptedPainter:
        self._go.wait(20)
        painter = ScriptedPainter(protocols=self._ways, canvas=self._canvas)
        painter.sampling = dict(OWN)
        return painter

    def arrive(self) -> None:
        self._go.set()
        wait(lambda: self.room.worker.snapshot().state == "ready")

    def close(self) -> None:
        self._go.set()
        self.room.worker.close()

    def begin(self, upload: str | None = None, **chosen: Any) -> str:
        reply = do(
            self.room, "create", sid=None, prompt="a red house", settings=chosen, seed=7, upload=upload
        )
        assert reply["ok"], reply
        return reply["session"]

    def session(self, sid: str) -> Session:
        return self.room.store.sessions.get("local", sid)

    def upload(self, data: bytes) -> str:
        client = TestClient(Starlette(routes=routes(self.room)))
        token = self.room.tokens.mint("page", "local")
        return client.post("/studio/home/start", params={"t": token}, content=data).json()["upload"]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    with Store.open(tmp_path) as store:
        made = Held(store)
        yield made
        made.close()


def test_what_was_chosen_stays_and_the_rest_is_the_models(held: Held):
    sid = held.begin(protocol="irg", guidance=3.0, height=96, width=64)
    assert held.room.store.runs.list("local", sid)[0].state == "queued", "it is there at once, and waits"
    held.arrive()
    assert settle(held.room, sid) == "done"
    for settings in (held.session(sid).settings, steps(held.room, sid)[1].recipe["settings"]):
        assert (settings["protocol"], settings["guidance"]) == ("irg", 3.0)
        assert (settings["height"], settings["width"]) == (96, 64)
        assert (settings["timesteps"], settings["max_seconds"]) == (40, 3600.0)


def test_a_model_of_one_way_and_size_gets_its_own(tmp_path: Path):
    with Store.open(tmp_path) as store:
        held = Held(store, ImageSizes((128, 128), 16, 128, 128), ways=("direct",))
        sids = [held.begin(), held.begin(protocol="irg", height=96, width=64)]
        held.arrive()
        for sid in sids:
            assert settle(held.room, sid) == "done"
            settings = held.session(sid).settings
            assert (settings["protocol"], settings["height"], settings["timesteps"]) == ("direct", None, 40)
        held.close()


def test_a_restart_in_between_loses_no_choice(tmp_path: Path):
    with Store.open(tmp_path) as store:
        held = Held(store)
        sid = held.begin(protocol="think")
        assert do(held.room, "settings", sid=sid, settings={"mode": "pause_each"})["ok"]
        held.room.worker._closing = True  # as after a crash: nothing gets to run any more
        held.close()
    with Store.open(tmp_path) as store:
        held = Held(store)
        branch = store.tree.branches("local", sid)[0]
        again = do(held.room, "run", sid=sid, step=branch.tip, branch=branch.id)
        assert again["ok"], again
        held.arrive()
        assert settle(held.room, sid) == "paused"
        made = steps(held.room, sid)[1]
        assert made.kind == "think" and made.recipe["settings"]["timesteps"] == 40
        shown = held.room.session_snapshot("local", sid)
        assert (shown["settings"]["mode"], shown["settings"]["guidance"]) == ("pause_each", 4.0)
        assert shown["seed"] == 7
        held.close()


def test_a_seed_that_was_chosen_meanwhile_is_drawn_by(held: Held):
    early, plain = held.begin(), held.begin()
    assert do(held.room, "settings", sid=early, settings={"timesteps": 8}, seed=42)["ok"]
    held.arrive()
    assert settle(held.room, early) == settle(held.room, plain) == "done"
    made, other = (steps(held.room, sid)[1].recipe for sid in (early, plain))
    assert made["settings"]["timesteps"] == 8
    assert held.room.session_snapshot("local", early)["seed"] == 42
    late = do(held.room, "create", sid=None, prompt="a red house", settings={"timesteps": 8}, seed=42)
    assert settle(held.room, late["session"]) == "done"
    assert made["seed"] == steps(held.room, late["session"])[1].recipe["seed"] != other["seed"]


def test_a_tab_that_comes_back_reads_the_models_settings_before_any_run(held: Held):
    sid = held.begin(guidance=3.0)
    assert held.room.session_snapshot("local", sid)["about"]["protocols"] == []
    held.arrive()
    shown = held.room.session_snapshot("local", sid)
    assert [way["name"] for way in shown["about"]["protocols"]] == list(WAYS)
    assert (shown["settings"]["timesteps"], shown["settings"]["guidance"]) == (40, 3.0)


def striped(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, "PNG")
    return file.getvalue()


def drawn_from(held: Held, sid: str) -> Image.Image:
    """The start picture as the model of the session's run was shown it."""
    start = steps(held.room, sid)[1]
    assert start.image
    return held.room.recorder.pixels(start.image)


@pytest.mark.parametrize("canvas", [CANVAS, ImageSizes((128, 128), 16, 128, 128)])
@pytest.mark.parametrize("size", [(80, 64), (90, 200), (300, 301)])
def test_a_start_picture_is_the_same_whether_it_came_before_the_model_or_after(
    tmp_path: Path, canvas: ImageSizes, size: tuple[int, int]
):
    with Store.open(tmp_path) as store:
        held = Held(store, canvas)
        early = held.begin(held.upload(striped(size)))
        held.arrive()
        assert settle(held.room, early) == "done"
        before = drawn_from(held, early)
        late = held.begin(held.upload(striped(size)))
        assert settle(held.room, late) == "done"
        after = drawn_from(held, late)
        assert before.size == after.size == canvas.fitting(size[1], size[0])[::-1]
        assert before.tobytes() == after.tobytes()
        held.close()
