"""Asking about a picture, fresh starts and starting from one, and sizes: over a real store and worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from engine.core.image_sizes import ImageSizes
from engine.core.parts import ImagePart
from engine.core.settings import Settings
from engine.core.trajectory import Step
from sessions import Store
from studio.auth import LIFETIMES
from studio.routes import routes
from studio.state import StudioState
from tests.scripted import ScriptedPainter, scripted_model
from tests.studio.states import begin, do, png, settle, steps, wait

PROTOCOLS = ("process", "direct", "think", "irg")


@pytest.fixture
def painter() -> ScriptedPainter:
    return ScriptedPainter(rounds=1, fault_rounds=(), image_sizes=ImageSizes((64, 64), 16, 64, 128))


@pytest.fixture
def state(tmp_path: Path, painter: ScriptedPainter) -> Iterator[StudioState]:
    with Store.open(tmp_path) as store:
        made = StudioState.open(
            store, lambda: scripted_model(painter, protocols=PROTOCOLS), loopback_only=False
        )
        wait(lambda: made.worker.snapshot().state == "ready")
        yield made
        made.worker.close()


@pytest.fixture
def client(state: StudioState) -> TestClient:
    return TestClient(Starlette(routes=routes(state)))


def picture(state: StudioState, sid: str) -> Step:
    return next(step for step in steps(state, sid) if step.image)


def upload(client: TestClient, state: StudioState, data: bytes, owner: str = "local") -> dict:
    token = state.tokens.mint("page", owner)
    return client.post("/studio/home/start", params={"t": token}, content=data).json()


class TestAsking:
    def test_the_answer_is_kept_beside_the_card_and_changes_nothing(
        self, state: StudioState, painter: ScriptedPainter
    ):
        sid = begin(state)
        before = [step.id for step in steps(state, sid)]
        reply = do(state, "ask", sid=sid, step=picture(state, sid).id, question=" How many trees? ")
        wait(lambda: state.store.notes.get("local", reply["note"]).is_over)
        (note,) = state.session_snapshot("local", sid)["notes"]
        assert (note["state"], note["question"], note["step"]) == (
            "done",
            "How many trees?",
            picture(state, sid).id,
        )
        assert "How many trees?" in note["answer"] and note["seconds"] is not None
        assert [step.id for step in steps(state, sid)] == before
        assert painter.asked[-1]["parts"][0] == ImagePart(picture(state, sid).image, seen_only=True)
        assert state.store.notes.get("local", reply["note"]).recipe["seed"] == painter.asked[-1]["seed"]

    def test_the_answer_streams_over_the_log(self, state: StudioState):
        sid, seq = begin(state), state.log.seq
        do(state, "ask", sid=sid, step=picture(state, sid).id, question="What?")
        wait(lambda: all(note.is_over for note in state.store.notes.list("local", sid)))
        wait(lambda: state.log.after([sid], seq)[-1].get("note", {}).get("state") == "done")
        assert len([e for e in state.log.after([sid], seq) if e["kind"] == "note"]) == 1, (
            "only the newest is kept"
        )

    def test_a_failure_and_a_stop_are_told_with_what_to_do(
        self, state: StudioState, painter: ScriptedPainter
    ):
        sid = begin(state)
        painter._texts = [""]
        note = do(state, "ask", sid=sid, step=picture(state, sid).id, question="What?")["note"]
        wait(lambda: state.store.notes.get("local", note).is_over)
        failed = state.store.notes.get("local", note)
        assert (failed.state, failed.next_action) == ("failed", "Ask again, in other words.")
        painter.token_delay = 0.2
        note = do(state, "ask", sid=sid, step=picture(state, sid).id, question="What is that there?")["note"]
        wait(lambda: state.recorder.questions.view(state.store.notes.get("local", note))["answer"] != "")
        assert do(state, "stop_note", sid=sid, note=note)["ok"]
        wait(lambda: state.store.notes.get("local", note).is_over)
        assert state.store.notes.get("local", note).state == "cancelled"
        assert do(state, "delete_note", sid=sid, note=note)["ok"]
        assert [n["id"] for n in state.session_snapshot("local", sid)["notes"]] == [failed.id]

    def test_what_can_not_be_asked_is_refused_in_a_sentence(self, state: StudioState):
        sid = begin(state)
        sketch, plan = picture(state, sid), steps(state, sid)[1]
        for wish in ({"question": " "}, {"question": "x" * 601}, {"question": "?", "step": plan.id}):
            reply = do(state, "ask", **{"sid": sid, "step": sketch.id, **wish})
            assert not reply["ok"] and reply["error"]
        stranger = do(state, "ask", "eve", sid=sid, step=sketch.id, question="?")
        assert not stranger["ok"] and "no such session" in stranger["error"]
        assert state.store.notes.list("local", sid) == []

    def test_deleting_the_session_stops_its_questions(self, state: StudioState, painter: ScriptedPainter):
        sid = begin(state)
        painter.token_delay = 0.2
        note = do(state, "ask", sid=sid, step=picture(state, sid).id, question="What is that over there?")[
            "note"
        ]
        do(state, "delete", sid=sid)
        wait(lambda: state.worker.snapshot().positions == ())
        do(state, "restore", sid=sid)
        assert state.store.notes.get("local", note).is_over


class TestCarryingOn:
    def test_the_model_sees_the_words_and_that_picture_alone(
        self, state: StudioState, painter: ScriptedPainter
    ):
        sid = begin(state)
        sketch = picture(state, sid)
        asked = len(painter.asked)
        reply = do(state, "fresh_start", sid=sid, step=sketch.id)
        assert settle(state, sid) == "done"
        path = steps(state, sid)
        assert [step.kind for step in path][:3] == ["prompt", "image", "plan"]
        assert (path[1].image, path[1].author, path[1].recipe) == (
            sketch.image,
            "person",
            {"start": sketch.id},
        )
        assert len(painter.asked[asked]["parts"]) == 2
        assert state.store.tree.branch("local", sid, reply["branch"]).name == "fresh from sketch 1"
        assert len(steps(state, sid, 0)) == 4, "the old branch is as it was"

    def test_twice_is_two_branches_from_one_step_and_another_seed(self, state: StudioState):
        sid = begin(state)
        sketch = picture(state, sid)
        for _ in range(2):
            assert do(state, "fresh_start", sid=sid, step=sketch.id)["ok"]
            settle(state, sid)
        one, two = steps(state, sid, 1), steps(state, sid, 2)
        assert one[1].id == two[1].id and one[2].recipe["seed"] != two[2].recipe["seed"]

    def test_only_from_a_picture_and_not_from_where_it_began(self, state: StudioState):
        sid = begin(state)
        assert "Only a picture" in do(state, "fresh_start", sid=sid, step=steps(state, sid)[1].id)["error"]
        do(state, "fresh_start", sid=sid, step=picture(state, sid).id)
        settle(state, sid)
        assert "already" in do(state, "fresh_start", sid=sid, step=steps(state, sid)[1].id)["error"]

    def test_the_counter_begins_again(self, state: StudioState):
        sid = begin(state)
        do(state, "fresh_start", sid=sid, step=picture(state, sid).id)
        settle(state, sid)
        views = {view["id"]: view for view in state.session_snapshot("local", sid)["steps"]}
        assert views[steps(state, sid)[-1].id]["history"]["all"] == sum(
            s.image is not None for s in steps(state, sid)
        )

    def test_the_counter_counts_what_a_small_gpu_can_hold(self, tmp_path: Path):
        small = ScriptedPainter(rounds=6, fault_rounds=())
        with Store.open(tmp_path / "small") as store:
            state = StudioState.open(
                store, lambda: scripted_model(small, max_pictures=3), loopback_only=False
            )
            wait(lambda: state.worker.snapshot().state == "ready")
            sid = begin(state)
            views = {view["id"]: view for view in state.session_snapshot("local", sid)["steps"]}
            told = [views[step.id]["history"]["all"] for step in steps(state, sid) if step.kind == "inspect"]
            state.worker.close()
        shown = [
            sum(isinstance(segment, ImagePart) for segment in call["parts"])
            for call in small.asked
            if call["call"] == "choose"
        ]
        assert told == shown == [1, 2, 3, 3, 3, 3]
        assert state.about()["max_pictures"] == 3


class TestStartingFromAPicture:
    def test_a_session_begins_with_it_at_the_size_the_model_sees(
        self, state: StudioState, client: TestClient
    ):
        kept = upload(client, state, png((300, 200)))
        assert kept["ok"] and "the size this model sees it at" in kept["remark"]
        wish = {**Settings().as_dict(), "protocol": "direct"}
        reply = do(
            state, "create", sid=None, prompt="make it night", settings=wish, seed=7, upload=kept["upload"]
        )
        settle(state, reply["session"])
        path = steps(state, reply["session"])
        assert [step.kind for step in path] == ["prompt", "image", "image"]
        assert (path[1].author, path[1].recipe) == ("person", {"start": "upload"})
        assert state.store.pictures.load("local", reply["session"], path[1].image).size == (128, 80)

    def test_one_chosen_too_long_ago_leaves_no_empty_session(
        self, state: StudioState, monkeypatch: pytest.MonkeyPatch
    ):
        old = state.tokens.mint("start", "local", "0" * 64)
        monkeypatch.setitem(LIFETIMES, "start", -1)
        wish = {"prompt": "make it night", "settings": Settings().as_dict(), "seed": 7}
        reply = do(state, "create", sid=None, upload=old, **wish)
        assert "open for too long" in reply["error"] and not state.store.sessions.list("local")

    def test_rewritten_words_keep_the_picture_of_their_branch(self, state: StudioState, client: TestClient):
        kept = upload(client, state, png((64, 64)))
        assert kept["remark"] == ""
        wish = {**Settings().as_dict(), "protocol": "direct"}
        sid = do(state, "create", sid=None, prompt="a", settings=wish, seed=7, upload=kept["upload"])[
            "session"
        ]
        settle(state, sid)
        root, start, _ = steps(state, sid)
        branch = state.store.tree.branches("local", sid)[0].id
        for run in (False, True):
            fields = {"text": f"b {run}"}
            assert do(state, "edit", sid=sid, step=root.id, fields=fields, run=run, branch=branch)["ok"]
        settle(state, sid)
        edited = steps(state, sid)
        assert [step.kind for step in edited] == ["prompt", "image", "image"]
        assert (edited[0].fields["text"], edited[1].image) == ("b True", start.image)
        assert [s.kind for s in steps(state, sid, 1)] == ["prompt", "image"]

    def test_words_left_as_they_are_run_from_the_picture_too(self, state: StudioState, client: TestClient):
        kept = upload(client, state, png((64, 64)))
        wish = {"settings": {**Settings().as_dict(), "protocol": "direct"}, "seed": 7}
        sid = do(state, "create", sid=None, prompt="a", upload=kept["upload"], **wish)["session"]
        settle(state, sid)
        root, start, drawn = steps(state, sid)
        branch = state.store.tree.branches("local", sid)[0].id
        assert do(state, "edit", sid=sid, step=root.id, fields=dict(root.fields), run=True, branch=branch)[
            "ok"
        ]
        settle(state, sid)
        found = steps(state, sid)
        assert [step.id for step in found[:-1]] == [root.id, start.id]
        assert (found[-1].kind, len(found)) == ("image", 3) and found[-1].id != drawn.id

    def test_a_replaced_picture_is_still_where_the_branch_starts(
        self, state: StudioState, client: TestClient
    ):
        kept = upload(client, state, png((64, 64)))
        wish = {**Settings().as_dict(), "protocol": "direct"}
        sid = do(state, "create", sid=None, prompt="a", settings=wish, seed=7, upload=kept["upload"])[
            "session"
        ]
        settle(state, sid)
        start = steps(state, sid)[1]
        token = state.tokens.mint("upload", "local", sid, state.store.pictures.put(png((64, 64), "blue")))
        assert do(state, "replace", sid=sid, step=start.id, upload=token, run=True)["ok"]
        settle(state, sid)
        assert steps(state, sid)[1].is_start and steps(state, sid)[2].kind == "image"

    def test_somebody_elses_upload_or_a_damaged_file_is_refused(self, state: StudioState, client: TestClient):
        foreign = state.tokens.mint("start", "eve", "0" * 64)
        wish = Settings().as_dict()
        reply = do(state, "create", sid=None, prompt="a", settings=wish, seed=7, upload=foreign)
        assert not reply["ok"] and "somewhere else" in reply["error"]
        assert "isn't a picture" in upload(client, state, b"no picture")["error"]


class TestSizes:
    def test_a_size_is_drawn_and_told_and_one_that_does_not_fit_is_refused(self, state: StudioState):
        assert state.about()["image_sizes"] == {"shapes": [[64, 64]], "unit": 16, "largest": 128}
        sid = begin(state, protocol="direct", height=96, width=128)
        assert state.store.pictures.load("local", sid, picture(state, sid).image).size == (128, 96)
        wish = {**Settings().as_dict(), "height": 160, "width": 160}
        for name, more in (("create", {"sid": None, "prompt": "a"}), ("settings", {"sid": sid})):
            reply = do(state, name, settings=wish, seed=7, **more)
            assert not reply["ok"] and "at most 128" in reply["error"]
        assert len(state.store.sessions.list("local")) == 1, "nothing was begun"

    def test_a_model_of_one_size_offers_no_choice(self, state: StudioState, painter: ScriptedPainter):
        painter.image_sizes = ImageSizes((256, 256), 32, 256, 256)
        assert state.about()["image_sizes"] is None

    def test_a_session_of_another_models_size_is_mended_by_its_settings(
        self, state: StudioState, painter: ScriptedPainter
    ):
        sid = begin(state, protocol="direct", height=96, width=128)
        painter.image_sizes = ImageSizes((256, 256), 32, 256, 256)
        assert do(state, "settings", sid=sid, settings={"mode": "pause_each"})["ok"]
        shown = state.session_snapshot("local", sid)["settings"]
        assert (shown["mode"], shown["height"]) == ("pause_each", 96)
        assert do(state, "settings", sid=sid, settings={"height": None, "width": None})["ok"]
        assert state.session_snapshot("local", sid)["settings"]["height"] is None
