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

from engine.core.image_sizes import ImageSizes
from engine.runs.opened_model import OpenedModel
from engine.serving.queue import RunJob
from sessions import Session, Store
from studio.routes import routes
from studio.state import StudioState
from tests.scripted import scripted_model
from tests.studio.states import do, settle, steps, wait

OWN = {"timesteps": 40, "guidance": 4.0, "max_seconds": 3600.0}
PROTOCOLS = ("direct", "think", "irg")
SIZES = ImageSizes((128, 128), 16, 128, 256)


class Held:
    """A studio whose model is there only after ``arrive``."""

    def __init__(
        self, store: Store, image_sizes: ImageSizes = SIZES, protocols: tuple[str, ...] = PROTOCOLS
    ) -> None:
        self._go, self._image_sizes, self._protocols = threading.Event(), image_sizes, protocols
        self.state = StudioState.open(store, self._open, loopback_only=False)

    def _open(self) -> OpenedModel:
        self._go.wait(20)
        return scripted_model(sampling=OWN, protocols=self._protocols, image_sizes=self._image_sizes)

    def arrive(self) -> None:
        self._go.set()
        wait(lambda: self.state.worker.snapshot().state == "ready")

    def close(self) -> None:
        self._go.set()
        self.state.worker.close()

    def begin(self, upload: str | None = None, **chosen: Any) -> str:
        reply = do(
            self.state, "create", sid=None, prompt="a red house", settings=chosen, seed=7, upload=upload
        )
        assert reply["ok"], reply
        return reply["session"]

    def session(self, sid: str) -> Session:
        return self.state.store.sessions.get("local", sid)

    def upload(self, data: bytes) -> str:
        client = TestClient(Starlette(routes=routes(self.state)))
        token = self.state.tokens.mint("page", "local")
        return client.post("/studio/home/start", params={"t": token}, content=data).json()["upload"]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    with Store.open(tmp_path) as store:
        made = Held(store)
        yield made
        made.close()


def test_what_was_chosen_stays_and_the_rest_is_the_models(held: Held):
    sid = held.begin(protocol="irg", guidance=3.0, height=96, width=64)
    assert held.state.store.runs.list("local", sid)[0].state == "queued", "it is there at once, and waits"
    held.arrive()
    assert settle(held.state, sid) == "done"
    for settings in (held.session(sid).settings, steps(held.state, sid)[1].recipe["settings"]):
        assert (settings["protocol"], settings["guidance"]) == ("irg", 3.0)
        assert (settings["height"], settings["width"]) == (96, 64)
        assert (settings["timesteps"], settings["max_seconds"]) == (40, 3600.0)


def test_a_model_of_one_way_and_size_gets_its_own(tmp_path: Path):
    with Store.open(tmp_path) as store:
        held = Held(store, ImageSizes((128, 128), 16, 128, 128), protocols=("direct",))
        sids = [held.begin(), held.begin(protocol="irg", height=96, width=64)]
        held.arrive()
        for sid in sids:
            assert settle(held.state, sid) == "done"
            settings = held.session(sid).settings
            assert (settings["protocol"], settings["height"], settings["timesteps"]) == ("direct", None, 40)
        held.close()


def test_a_restart_in_between_loses_no_choice(tmp_path: Path):
    with Store.open(tmp_path) as store:
        held = Held(store)
        sid = held.begin(protocol="think")
        assert do(held.state, "settings", sid=sid, settings={"mode": "pause_each"})["ok"]
        held.state.worker._closing = True  # as after a crash: nothing gets to run any more
        held.close()
    with Store.open(tmp_path) as store:
        held = Held(store)
        branch = store.tree.branches("local", sid)[0]
        again = do(held.state, "run", sid=sid, step=branch.tip, branch=branch.id)
        assert again["ok"], again
        held.arrive()
        assert settle(held.state, sid) == "paused"
        made = steps(held.state, sid)[1]
        assert made.kind == "think" and made.recipe["settings"]["timesteps"] == 40
        shown = held.state.session_snapshot("local", sid)
        assert (shown["settings"]["mode"], shown["settings"]["guidance"]) == ("pause_each", 4.0)
        assert shown["seed"] == 7
        held.close()


def test_a_seed_that_was_chosen_meanwhile_is_drawn_by(held: Held):
    early, plain = held.begin(), held.begin()
    assert do(held.state, "settings", sid=early, settings={"timesteps": 8}, seed=42)["ok"]
    held.arrive()
    assert settle(held.state, early) == settle(held.state, plain) == "done"
    made, other = (steps(held.state, sid)[1].recipe for sid in (early, plain))
    assert made["settings"]["timesteps"] == 8
    assert held.state.session_snapshot("local", early)["seed"] == 42
    late = do(held.state, "create", sid=None, prompt="a red house", settings={"timesteps": 8}, seed=42)
    assert settle(held.state, late["session"]) == "done"
    assert made["seed"] == steps(held.state, late["session"])[1].recipe["seed"] != other["seed"]


def test_a_tab_that_comes_back_reads_the_models_settings_before_any_run(held: Held):
    sid = held.begin(guidance=3.0)
    assert held.state.session_snapshot("local", sid)["about"]["protocols"] == []
    held.arrive()
    shown = held.state.session_snapshot("local", sid)
    assert [way["name"] for way in shown["about"]["protocols"]] == list(PROTOCOLS)
    assert (shown["settings"]["timesteps"], shown["settings"]["guidance"]) == (40, 3.0)


def striped(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, "PNG")
    return file.getvalue()


def drawn_from(held: Held, sid: str) -> Image.Image:
    """The start picture as the model of the session's run was shown it."""
    start = steps(held.state, sid)[1]
    assert start.image
    branch = held.state.store.tree.branches("local", sid)[0]
    made = {"settings": held.state.settings, "session_seed": 7}
    job = RunJob(id="0", owner="local", session_id=sid, branch_id=branch.id, **made)
    return held.state.recorder.pixels(job, start.image)


@pytest.mark.parametrize("image_sizes", [SIZES, ImageSizes((128, 128), 16, 128, 128)])
@pytest.mark.parametrize("size", [(80, 64), (90, 200), (300, 301)])
def test_a_start_picture_is_the_same_whether_it_came_before_the_model_or_after(
    tmp_path: Path, image_sizes: ImageSizes, size: tuple[int, int]
):
    with Store.open(tmp_path) as store:
        held = Held(store, image_sizes)
        early = held.begin(held.upload(striped(size)))
        held.arrive()
        assert settle(held.state, early) == "done"
        before = drawn_from(held, early)
        late = held.begin(held.upload(striped(size)))
        assert settle(held.state, late) == "done"
        after = drawn_from(held, late)
        assert before.size == after.size == image_sizes.fitting(size[1], size[0])[::-1]
        assert before.tobytes() == after.tobytes()
        held.close()
