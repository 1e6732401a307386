"""What the recorder stores and tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from engine.core.settings import Settings
from sessions import Store
from sessions.errors import disk_full
from studio.state import StudioState
from tests.scripted import scripted_model
from tests.studio.states import begin, do, settle, wait


class TestRecorder:
    def test_every_step_is_stored_before_it_is_told(self, state: StudioState):
        start = state.log.seq
        sid = begin(state)
        told = [event for event in state.log.after([sid], start) if event["kind"] == "step"]
        stored = state.store.tree.steps("local", sid)
        assert [event["step"]["kind"] for event in told] == ["plan", "sketch", "inspect", "refine"]
        assert all(event["step"]["id"] in stored for event in told)
        assert told[-1]["branch"]["tip"] == told[-1]["step"]["id"]

    def test_previews_are_addresses_and_nothing_live_is_left_over(
        self, state: StudioState, client: TestClient
    ):
        seen: list[str] = []
        show = state.recorder._show

        def spy(job: Any, more_text: str = "", **values: Any) -> None:
            seen.append(values.get("preview") or "")
            show(job, more_text, **values)

        state.recorder._show = spy
        sid = begin(state)
        address = [one for one in seen if one][-1]
        answer = client.get(f"/{address}", params={"t": state.tokens.mint("page", "local")})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert state.recorder.live(sid) == {}
        assert not [event for event in state.log.after([sid], 0) if event["kind"] == "live"]

    def test_tabs_hear_of_an_end_that_could_not_be_written_down(
        self, state: StudioState, monkeypatch: pytest.MonkeyPatch
    ):
        write = state.store.runs.set

        def full(owner: str, run_id: str, end: str, *more: Any, **named: Any) -> Any:
            if end == "failed":
                raise disk_full(state.store.home)
            return write(owner, run_id, end, *more, **named)

        def no_space(image: Any) -> str:
            raise disk_full(state.store.home)

        monkeypatch.setattr(state.store.runs, "set", full)
        monkeypatch.setattr(state.store.pictures, "put", no_space)
        start = state.log.seq
        reply = do(state, "create", sid=None, prompt="a red house", settings=Settings().as_dict(), seed=7)

        def told() -> list[str]:
            events = state.log.after([reply["session"]], start)
            return [event["run"]["state"] for event in events if event["kind"] == "run"]

        wait(lambda: "failed" in told())
        monkeypatch.undo()  # somebody freed some space
        sid = reply["session"]
        branch = state.store.tree.branches("local", sid)[0]
        again = do(state, "run", sid=sid, step=branch.tip, branch=branch.id, again=True)
        assert again["ok"], "the run whose end was not written does not block its branch"
        assert settle(state, sid) == "done"
        assert [run.state for run in state.store.runs.list("local", sid)] == ["done", "failed"]

    def test_a_failure_keeps_its_cause_and_what_the_model_wrote(self, tmp_path: Path):
        with Store.open(tmp_path) as store:
            state = StudioState.open(store, lambda: scripted_model(texts=["<des>", "<des>"]))
            sid = begin(state)
            state.worker.close()
            run = store.runs.list("local", sid)[0]
        assert (run.state, run.raw) == ("failed", "<des>")
        assert run.cause and run.next_action


def test_a_snapshot_is_plain_json(state: StudioState):
    sid = begin(state)
    snapshot = json.loads(json.dumps(state.session_snapshot("local", sid)))
    assert snapshot["title"] and len(snapshot["steps"]) == 5
    assert isinstance(snapshot["steps"][1]["seed"], str)
