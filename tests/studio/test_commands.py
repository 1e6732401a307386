"""The commands over a real store and a real worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from engine.core.settings import Settings
from sessions import Store
from studio.state import StudioState
from tests.scripted import ScriptedPainter
from tests.studio.states import begin, do, png, settle, steps, wait


class TestCommands:
    def test_an_edit_is_a_branch_and_the_old_one_stays(self, room: StudioState):
        sid = begin(room)
        plan = steps(room, sid)[1]
        fields = {**plan.fields, "instruction": "Add a blue house."}
        reply = do(room, "edit", sid=sid, step=plan.id, fields=fields, run=True)
        assert reply["ok"]
        assert settle(room, sid) == "done"
        old, new = room.store.tree.branches("local", sid)
        assert (old.name, new.name) == ("first idea", "blue house")
        assert reply["branch"] == new.id
        edited = steps(room, sid)[1]
        assert (edited.author, edited.recipe["edited_from"]) == ("person", plan.id)
        assert len(steps(room, sid, 0)) == len(steps(room, sid)) == 5

    def test_the_same_edit_twice_is_one_branch(self, room: StudioState):
        sid = begin(room)
        plan = steps(room, sid)[1]
        wish = {"sid": sid, "step": plan.id, "fields": {**plan.fields, "instruction": "Go."}, "run": False}
        assert do(room, "edit", **wish)["branch"] == do(room, "edit", **wish)["branch"]
        assert len(room.store.tree.branches("local", sid)) == 2

    def test_an_edit_made_elsewhere_meanwhile_is_a_conflict_until_it_is_forced(self, room: StudioState):
        sid = begin(room)
        plan = steps(room, sid)[1]
        wish = {"sid": sid, "step": plan.id, "run": False, "known": [plan.id]}
        assert do(room, "edit", fields={**plan.fields, "instruction": "A."}, **wish)["ok"]
        second = {**wish, "fields": {**plan.fields, "instruction": "B."}}
        refused = do(room, "edit", **second)
        assert (refused["ok"], refused["conflict"]) == (False, True)
        assert "another tab" in refused["error"]
        assert do(room, "edit", force=True, **second)["ok"]

    def test_rewritten_words_begin_a_new_root(self, room: StudioState):
        sid = begin(room)
        root = steps(room, sid)[0]
        assert do(room, "edit", sid=sid, step=root.id, fields={"text": "a blue house"}, run=True)["ok"]
        settle(room, sid)
        assert [step.kind for step in steps(room, sid)][:2] == ["prompt", "plan"]
        assert steps(room, sid)[0].fields["text"] == "a blue house"

    def test_again_draws_with_another_seed(self, room: StudioState):
        sid = begin(room)
        sketch = steps(room, sid)[2]
        assert do(room, "again", sid=sid, step=sketch.id)["ok"]
        settle(room, sid)
        other = steps(room, sid)[2]
        assert other.parent == sketch.parent
        assert other.recipe["seed"] != sketch.recipe["seed"]

    def test_running_from_a_card_again_and_again_makes_other_steps_each_time(self, room: StudioState):
        sid = begin(room)
        root = steps(room, sid)[0]
        for _ in range(3):
            first = room.store.tree.branches("local", sid)[0].id
            assert do(room, "run", sid=sid, step=root.id, branch=first)["ok"]
            settle(room, sid)
        plans = {s.id for s in room.store.tree.steps("local", sid).values() if s.parent == root.id}
        assert len(plans) == 4

    def test_a_persons_picture_takes_a_place(self, room: StudioState, client: TestClient):
        sid = begin(room)
        sketch = steps(room, sid)[2]
        token = room.tokens.mint("page", "local")
        kept = client.post(
            f"/studio/{sid}/upload", params={"t": token, "step": sketch.id}, content=png((90, 30))
        )
        assert kept.json()["ok"], kept.json()
        assert "cut" in kept.json()["remark"]
        reply = do(room, "replace", sid=sid, step=sketch.id, upload=kept.json()["upload"], run=False)
        mine = steps(room, sid)[-1]
        assert (reply["step"], mine.author, mine.kind) == (mine.id, "person", "sketch")
        assert room.store.pictures.load("local", sid, mine.image).size == (64, 64)
        other = begin(room, "a green tree")
        elsewhere = do(
            room, "replace", sid=other, step=steps(room, other)[2].id, upload=kept.json()["upload"], run=False
        )
        assert not elsewhere["ok"]

    def test_the_mode_is_kept_to(self, room: StudioState):
        sid = begin(room, mode="pause_each")
        assert (settle(room, sid), len(steps(room, sid))) == ("paused", 2)
        branch = room.store.tree.branches("local", sid)[0]
        assert do(room, "run", sid=sid, step=branch.tip, branch=branch.id)["branch"] == branch.id
        settle(room, sid)
        assert len(steps(room, sid)) == 3

    def test_a_new_seed_holds_from_now_on(self, room: StudioState):
        sid = begin(room, mode="one_step")
        assert do(room, "settings", sid=sid, settings=Settings(mode="one_step").as_dict(), seed=99)["ok"]
        assert room.session_snapshot("local", sid)["seed"] == 99
        root = steps(room, sid)[0]
        do(room, "run", sid=sid, step=root.id, branch=room.store.tree.branches("local", sid)[0].id)
        settle(room, sid)
        first, second = (s for s in room.store.tree.steps("local", sid).values() if s.kind == "plan")
        assert first.recipe["seed"] != second.recipe["seed"]

    @pytest.mark.parametrize(
        ("action", "values", "said"),
        [
            ("create", {"sid": None, "prompt": "", "settings": {}, "seed": None}, ""),
            ("create", {"sid": None, "prompt": "x" * 10_000, "settings": {}, "seed": None}, "10,000"),
            ("create", {"sid": None, "prompt": "x", "settings": {"timesteps": 0}, "seed": None}, "timesteps"),
            ("create", {"sid": None, "prompt": "x", "settings": {"no": 1}, "seed": None}, "unknown settings"),
            ("create", {"sid": None, "prompt": "x", "settings": {}, "seed": -1}, "whole number"),
            ("rename", {"sid": "nobody", "title": "x"}, ""),
            ("fly", {}, "older than Restroke"),
        ],
    )
    def test_what_cannot_be_done_gets_a_sentence(
        self, room: StudioState, action: str, values: dict, said: str
    ):
        reply = do(room, action, **values)
        assert not reply["ok"]
        assert said in reply["error"]
        assert reply["error"].endswith((".", "…"))
        assert room.store.sessions.list("local") == []

    def test_a_fault_in_the_code_is_an_answer_too(self, room: StudioState):
        assert "Nothing was lost" in do(room, "rename", wrong="arguments")["error"]

    def test_a_plan_of_ones_own_goes_on_at_the_end(self, room: StudioState):
        sid = begin(room)
        branch = room.store.tree.branches("local", sid)[0]
        fields = {"instruction": "Add a green tree.", "description": ""}
        wish = {"sid": sid, "branch": branch.id, "tip": branch.tip, "kind": "plan", "run": True}
        assert do(room, "add", fields=fields, **wish)["branch"] == branch.id
        settle(room, sid)
        assert [step.kind for step in steps(room, sid)][5:7] == ["plan", "sketch"]
        assert steps(room, sid)[5].author == "person"
        moved = do(room, "add", fields={**fields, "instruction": "Too late."}, **wish)
        assert not moved["ok"] and moved["conflict"]
        assert not do(room, "add", fields={"instruction": " ", "description": ""}, **wish)["ok"]

    def test_a_complete_picture_goes_on_for_one_more_round_on_its_branch(self, room: StudioState):
        sid = begin(room)
        branch = room.store.tree.branches("local", sid)[0]
        assert room.session_snapshot("local", sid)["runs"][-1]["complete"]
        assert do(room, "run", sid=sid, step=branch.tip, branch=branch.id)["ok"]
        settle(room, sid)
        assert len(steps(room, sid)) == 5, "the model says again that it is complete"
        assert do(room, "run", sid=sid, step=branch.tip, branch=branch.id, more=True)["ok"]
        settle(room, sid)
        assert [step.kind for step in steps(room, sid)][5:] == ["plan", "sketch", "inspect"]
        views = {view["id"]: view for view in room.session_snapshot("local", sid)["steps"]}
        assert views[steps(room, sid)[5].id]["wish"] == "one more round"

    def test_a_run_that_a_limit_ended_is_not_complete(self, room: StudioState):
        sid = begin(room, max_images=1)
        run = room.session_snapshot("local", sid)["runs"][-1]
        assert (run["state"], run["complete"]) == ("done", False) and "limit of 1" in run["cause"]

    def test_an_inspection_of_ones_own_asks_for_a_refine(self, room: StudioState):
        sid = begin(room, mode="one_step")
        branch = room.store.tree.branches("local", sid)[0]
        do(room, "run", sid=sid, step=branch.tip, branch=branch.id)
        settle(room, sid)
        tip = steps(room, sid)[-1].id
        fields = {"verdict": "The house is too small.", "correction": "Make the house larger."}
        assert do(room, "add", sid=sid, branch=branch.id, tip=tip, kind="inspect", fields=fields, run=True)[
            "ok"
        ]
        settle(room, sid)
        assert [step.kind for step in steps(room, sid)] == ["prompt", "plan", "sketch", "inspect", "refine"]


class TestUnderWay:
    """What is done while a run is under way; ``slow`` makes a picture last until it is stopped."""

    @pytest.fixture
    def slow(self, tmp_path: Path) -> Iterator[StudioState]:
        with Store.open(tmp_path) as store:
            made = StudioState.open(
                store, lambda: ScriptedPainter(updates=2000, update_delay=0.02), loopback_only=False
            )
            yield made
            made.worker.close()

    def begin(self, room: StudioState) -> str:
        """A session whose first sketch is being drawn."""
        reply = do(room, "create", sid=None, prompt="a red house", settings=Settings().as_dict(), seed=7)
        sid = reply["session"]
        wait(
            lambda: any(now["kind"] == "sketch" and now["index"] for now in room.recorder.live(sid).values())
        )
        return sid

    def test_stop_leaves_what_was_finished(self, slow: StudioState):
        sid = self.begin(slow)
        assert do(slow, "stop", sid=sid, run=slow.store.runs.list("local", sid)[0].id)["ok"]
        assert settle(slow, sid) == "cancelled"
        assert [step.kind for step in steps(slow, sid)] == ["prompt", "plan"]

    def test_going_on_elsewhere_stops_the_old_branch_and_says_so(self, slow: StudioState):
        sid = self.begin(slow)
        plan = steps(slow, sid)[1]
        do(
            slow,
            "edit",
            sid=sid,
            step=plan.id,
            fields={**plan.fields, "instruction": "Add a boat."},
            run=True,
        )
        wait(lambda: slow.store.runs.list("local", sid)[1].state == "cancelled")
        assert "went on from another card" in slow.store.runs.list("local", sid)[1].cause

    def test_a_branch_is_not_run_twice_at_once(self, slow: StudioState):
        sid = self.begin(slow)
        branch = slow.store.tree.branches("local", sid)[0]
        refused = do(slow, "run", sid=sid, step=branch.tip, branch=branch.id)
        assert "already being worked on" in refused["error"]

    def test_a_mode_chosen_meanwhile_holds_after_this_step(self, tmp_path: Path):
        with Store.open(tmp_path) as store:
            room = StudioState.open(
                store, lambda: ScriptedPainter(updates=40, update_delay=0.02), loopback_only=False
            )
            sid = self.begin(room)
            assert do(room, "settings", sid=sid, settings=Settings(mode="pause_each").as_dict())["ok"]
            assert settle(room, sid) == "paused"
            assert [step.kind for step in steps(room, sid)] == ["prompt", "plan", "sketch"]
            assert store.runs.list("local", sid)[0].cause == "The sketch is done. Look at it, then continue."
            room.worker.close()

    def test_a_closed_studio_leaves_a_run_to_resume(self, slow: StudioState):
        sid = self.begin(slow)
        slow.worker.close()
        run = slow.store.runs.list("local", sid)[0]
        assert run.state == "lost"
        assert run.cause.endswith(".")
