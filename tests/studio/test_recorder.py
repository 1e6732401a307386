"""What the recorder stores and tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from engine.core.settings import Settings
from sessions import DiskFull, Store
from studio.state import StudioState
from tests.scripted import ScriptedPainter
from tests.studio.states import begin, do, settle, wait


class TestRecorder:
    def test_every_step_is_stored_before_it_is_told(self, room: StudioState):
        start = room.log.seq
        sid = begin(room)
        told = [event for event in room.log.after([sid], start) if event["kind"] == "step"]
        stored = room.store.tree.steps("local", sid)
        assert [event["step"]["kind"] for event in told] == ["plan", "sketch", "inspect", "refine"]
        assert all(event["step"]["id"] in stored for event in told)
        assert told[-1]["branch"]["tip"] == told[-1]["step"]["id"]

    def test_previews_are_addresses_and_nothing_live_is_left_over(
        self, room: StudioState, client: TestClient
    ):
        seen: list[str] = []
        show = room.recorder._show

        def spy(job: Any, more_text: str = "", **values: Any) -> None:
            seen.append(values.get("preview") or "")
            show(job, more_text, **values)

        room.recorder._show = spy
        sid = begin(room)
        address = [one for one in seen if one][-1]
        answer = client.get(f"/{address}", params={"t": room.tokens.mint("page", "local")})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert room.recorder.live(sid) == {}
        assert not [event for event in room.log.after([sid], 0) if event["kind"] == "live"]

    def test_tabs_hear_of_an_end_that_could_not_be_written_down(
        self, room: StudioState, monkeypatch: pytest.MonkeyPatch
    ):
        write = room.store.runs.set

        def full(owner: str, run_id: str, state: str, *more: Any, **named: Any) -> Any:
            if state == "failed":
                raise DiskFull("writing", room.store.home)
            return write(owner, run_id, state, *more, **named)

        def no_room(image: Any) -> str:
            raise DiskFull("keeping a picture", room.store.home)

        monkeypatch.setattr(room.store.runs, "set", full)
        monkeypatch.setattr(room.store.pictures, "put", no_room)
        start = room.log.seq
        reply = do(room, "create", sid=None, prompt="a red house", settings=Settings().as_dict(), seed=7)

        def told() -> list[str]:
            events = room.log.after([reply["session"]], start)
            return [event["run"]["state"] for event in events if event["kind"] == "run"]

        wait(lambda: "failed" in told())
        monkeypatch.undo()  # somebody freed some space
        sid = reply["session"]
        branch = room.store.tree.branches("local", sid)[0]
        again = do(room, "run", sid=sid, step=branch.tip, branch=branch.id, again=True)
        assert again["ok"], "the run whose end was not written does not block its branch"
        assert settle(room, sid) == "done"
        assert [run.state for run in room.store.runs.list("local", sid)] == ["done", "failed"]

    def test_a_failure_keeps_its_cause_and_what_the_model_wrote(self, tmp_path: Path):
        with Store.open(tmp_path) as store:
            room = StudioState.open(store, lambda: ScriptedPainter(["<des>", "<des>"]))
            sid = begin(room)
            room.worker.close()
            run = store.runs.list("local", sid)[0]
        assert (run.state, run.raw) == ("failed", "<des>")
        assert run.cause and run.next_action


def test_a_snapshot_is_plain_json(room: StudioState):
    sid = begin(room)
    snapshot = json.loads(json.dumps(room.session_snapshot("local", sid)))
    assert snapshot["title"] and len(snapshot["steps"]) == 5
    assert isinstance(snapshot["steps"][1]["seed"], str)
