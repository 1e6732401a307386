"""The commands over a real store and a real worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from engine.core.settings import Settings
from sessions import Store
from studio.commands import handle
from studio.state import StudioState
from tests.scripted import scripted_model
from tests.studio.states import begin, do, png, settle, steps, wait


class TestCommands:
    def test_an_edit_is_a_branch_and_the_old_one_stays(self, state: StudioState):
        sid = begin(state)
        plan = steps(state, sid)[1]
        fields = {**plan.fields, "instruction": "Add a blue house."}
        reply = do(state, "edit", sid=sid, step=plan.id, fields=fields, run=True)
        assert reply["ok"]
        assert settle(state, sid) == "done"
        old, new = state.store.tree.branches("local", sid)
        assert (old.name, new.name) == ("first idea", "blue house")
        assert reply["branch"] == new.id
        edited = steps(state, sid)[1]
        assert (edited.author, edited.recipe["edited_from"]) == ("person", plan.id)
        assert len(steps(state, sid, 0)) == len(steps(state, sid)) == 5

    def test_the_same_edit_twice_is_one_branch(self, state: StudioState):
        sid = begin(state)
        plan = steps(state, sid)[1]
        wish = {"sid": sid, "step": plan.id, "fields": {**plan.fields, "instruction": "Go."}, "run": False}
        assert do(state, "edit", **wish)["branch"] == do(state, "edit", **wish)["branch"]
        assert len(state.store.tree.branches("local", sid)) == 2

    def test_an_edit_made_elsewhere_meanwhile_is_a_conflict_until_it_is_forced(self, state: StudioState):
        sid = begin(state)
        plan = steps(state, sid)[1]
        wish = {"sid": sid, "step": plan.id, "run": False, "known": [plan.id]}
        assert do(state, "edit", fields={**plan.fields, "instruction": "A."}, **wish)["ok"]
        second = {**wish, "fields": {**plan.fields, "instruction": "B."}}
        refused = do(state, "edit", **second)
        assert (refused["ok"], refused["conflict"]) == (False, True)
        assert "another tab" in refused["error"]
        assert do(state, "edit", force=True, **second)["ok"]

    def test_rewritten_words_begin_a_new_root(self, state: StudioState):
        sid = begin(state)
        root = steps(state, sid)[0]
        assert do(state, "edit", sid=sid, step=root.id, fields={"text": "a blue house"}, run=True)["ok"]
        settle(state, sid)
        assert [step.kind for step in steps(state, sid)][:2] == ["prompt", "plan"]
        assert steps(state, sid)[0].fields["text"] == "a blue house"

    def test_again_draws_with_another_seed(self, state: StudioState):
        sid = begin(state)
        sketch = steps(state, sid)[2]
        assert do(state, "again", sid=sid, step=sketch.id)["ok"]
        settle(state, sid)
        other = steps(state, sid)[2]
        assert other.parent == sketch.parent
        assert other.recipe["seed"] != sketch.recipe["seed"]

    def test_running_from_a_card_again_and_again_makes_other_steps_each_time(self, state: StudioState):
        sid = begin(state)
        root = steps(state, sid)[0]
        for _ in range(3):
            first = state.store.tree.branches("local", sid)[0].id
            assert do(state, "run", sid=sid, step=root.id, branch=first)["ok"]
            settle(state, sid)
        plans = {s.id for s in state.store.tree.steps("local", sid).values() if s.parent == root.id}
        assert len(plans) == 4

    def test_a_persons_picture_takes_a_place(self, state: StudioState, client: TestClient):
        sid = begin(state)
        sketch = steps(state, sid)[2]
        token = state.tokens.mint("page", "local")
        kept = client.post(
            f"/studio/{sid}/upload", params={"t": token, "step": sketch.id}, content=png((90, 30))
        )
        assert kept.json()["ok"], kept.json()
        assert "cut" in kept.json()["remark"]
        reply = do(state, "replace", sid=sid, step=sketch.id, upload=kept.json()["upload"], run=False)
        mine = steps(state, sid)[-1]
        assert (reply["step"], mine.author, mine.kind) == (mine.id, "person", "sketch")
        assert state.store.pictures.load("local", sid, mine.image).size == (64, 64)
        other = begin(state, "a green tree")
        elsewhere = do(
            state,
            "replace",
            sid=other,
            step=steps(state, other)[2].id,
            upload=kept.json()["upload"],
            run=False,
        )
        assert not elsewhere["ok"]

    def test_the_mode_is_kept_to(self, state: StudioState):
        sid = begin(state, mode="pause_each")
        assert (settle(state, sid), len(steps(state, sid))) == ("paused", 2)
        branch = state.store.tree.branches("local", sid)[0]
        assert do(state, "run", sid=sid, step=branch.tip, branch=branch.id)["branch"] == branch.id
        settle(state, sid)
        assert len(steps(state, sid)) == 3

    def test_a_new_seed_holds_from_now_on(self, state: StudioState):
        sid = begin(state, mode="one_step")
        assert do(state, "settings", sid=sid, settings=Settings(mode="one_step").as_dict(), seed=99)["ok"]
        assert state.session_snapshot("local", sid)["seed"] == 99
        root = steps(state, sid)[0]
        do(state, "run", sid=sid, step=root.id, branch=state.store.tree.branches("local", sid)[0].id)
        settle(state, sid)
        first, second = (s for s in state.store.tree.steps("local", sid).values() if s.kind == "plan")
        assert first.recipe["seed"] != second.recipe["seed"]

    @pytest.mark.parametrize(
        ("action", "values", "said"),
        [
            ("create", {"sid": None, "prompt": "", "settings": {}, "seed": None}, ""),
            ("create", {"sid": None, "prompt": "x" * 10_000, "settings": {}, "seed": None}, "10,000"),
            ("create", {"sid": None, "prompt": "x", "settings": {"timesteps": 0}, "seed": None}, "timesteps"),
            ("create", {"sid": None, "prompt": "x", "settings": {"no": 1}, "seed": None}, "unknown settings"),
            ("create", {"sid": None, "prompt": "x", "settings": {}, "seed": -1}, "whole number"),
            ("rename", {"sid": "0" * 32, "title": "x"}, "no such session"),
            ("fly", {}, "older than Restroke"),
        ],
    )
    def test_what_cannot_be_done_gets_a_sentence(
        self, state: StudioState, action: str, values: dict, said: str
    ):
        reply = do(state, action, **values)
        assert not reply["ok"]
        assert said in reply["error"]
        assert reply["error"].endswith((".", "…"))
        assert state.store.sessions.list("local") == []

    def test_a_fault_in_the_code_is_an_answer_too(self, state: StudioState, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(state.store.sessions, "rename", None)
        assert "Nothing was lost" in do(state, "rename", sid="0" * 32, title="x")["error"]

    @pytest.mark.parametrize(
        ("action", "values", "said"),
        [
            ("rename", {"title": "x"}, "“sid” is missing"),
            ("rename", {"title": 1}, "“title” must be text"),
            ("rename", {"title": "x", "sid": "../x"}, "“sid” is not an id"),
            ("rename", {"title": "x", "colour": "red"}, "“colour” is unknown"),
            ("rename", {"title": "x" * 5000}, "The title has 5,000 characters"),
            ("edit", {"step": "0" * 64, "fields": {"text": 1}, "run": True}, "“fields” must be text"),
            (
                "edit",
                {"step": "0" * 64, "fields": {"text": "x"}, "run": "yes"},
                "“run” must be true or false",
            ),
            (
                "edit",
                {"step": "0" * 64, "fields": "x", "run": True},
                "“fields” must be a set of named values",
            ),
            ("add", {"kind": "sketch"}, "“branch” is missing"),
            ("settings", {"settings": {"timesteps": [1]}}, "“settings”"),
            ("settings", {"settings": {}, "seed": 1.5}, "A seed is a whole number"),
            ("settings", {"settings": {}, "seed": True}, "A seed is a whole number"),
            ("stop_loading", {"sid": "0" * 32}, "“sid” must be empty"),
            (["rename"], {}, "older than Restroke"),
        ],
    )
    def test_a_value_of_a_wrong_type_is_told_by_its_name(
        self, state: StudioState, action: str, values: dict, said: str
    ):
        sid = {} if said == "“sid” is missing" else {"sid": "0" * 32}
        reply = do(state, action, **{**sid, **values})
        assert not reply["ok"] and said in reply["error"] and "Something went wrong" not in reply["error"]

    @pytest.mark.parametrize(
        "sent", [None, [], "rename", {"action": None}, {"action": "rename", "nonce": {}}]
    )
    def test_whatever_is_sent_gets_an_answer(self, state: StudioState, sent: object):
        reply = handle(state, "local", sent)
        assert (reply["type"], reply["ok"], reply["nonce"]) == ("reply", False, None)

    def test_a_plan_of_ones_own_goes_on_at_the_end(self, state: StudioState):
        sid = begin(state)
        branch = state.store.tree.branches("local", sid)[0]
        fields = {"instruction": "Add a green tree.", "description": ""}
        wish = {"sid": sid, "branch": branch.id, "tip": branch.tip, "kind": "plan", "run": True}
        assert do(state, "add", fields=fields, **wish)["branch"] == branch.id
        settle(state, sid)
        assert [step.kind for step in steps(state, sid)][5:7] == ["plan", "sketch"]
        assert steps(state, sid)[5].author == "person"
        moved = do(state, "add", fields={**fields, "instruction": "Too late."}, **wish)
        assert not moved["ok"] and moved["conflict"]
        assert not do(state, "add", fields={"instruction": " ", "description": ""}, **wish)["ok"]

    def test_a_complete_picture_goes_on_for_one_more_round_on_its_branch(self, state: StudioState):
        sid = begin(state)
        branch = state.store.tree.branches("local", sid)[0]
        assert state.session_snapshot("local", sid)["runs"][-1]["complete"]
        assert do(state, "run", sid=sid, step=branch.tip, branch=branch.id)["ok"]
        settle(state, sid)
        assert len(steps(state, sid)) == 5, "the model says again that it is complete"
        assert do(state, "run", sid=sid, step=branch.tip, branch=branch.id, more=True)["ok"]
        settle(state, sid)
        assert [step.kind for step in steps(state, sid)][5:] == ["plan", "sketch", "inspect"]
        views = {view["id"]: view for view in state.session_snapshot("local", sid)["steps"]}
        assert views[steps(state, sid)[5].id]["wish"] == "one more round"

    def test_a_run_that_a_limit_ended_is_not_complete(self, state: StudioState):
        sid = begin(state, max_images=1)
        run = state.session_snapshot("local", sid)["runs"][-1]
        assert (run["state"], run["complete"]) == ("done", False) and "limit of 1" in run["cause"]

    def test_an_inspection_of_ones_own_asks_for_a_refine(self, state: StudioState):
        sid = begin(state, mode="one_step")
        branch = state.store.tree.branches("local", sid)[0]
        do(state, "run", sid=sid, step=branch.tip, branch=branch.id)
        settle(state, sid)
        tip = steps(state, sid)[-1].id
        fields = {"verdict": "The house is too small.", "correction": "Make the house larger."}
        assert do(state, "add", sid=sid, branch=branch.id, tip=tip, kind="inspect", fields=fields, run=True)[
            "ok"
        ]
        settle(state, sid)
        assert [step.kind for step in steps(state, sid)] == ["prompt", "plan", "sketch", "inspect", "refine"]


class TestUnderWay:
    """What is done while a run is under way; ``slow`` makes a picture last until it is stopped."""

    @pytest.fixture
    def slow(self, tmp_path: Path) -> Iterator[StudioState]:
        with Store.open(tmp_path) as store:
            made = StudioState.open(
                store, lambda: scripted_model(updates=2000, update_delay=0.02), loopback_only=False
            )
            yield made
            made.worker.close()

    def begin(self, state: StudioState) -> str:
        """A session whose first sketch is being drawn."""
        reply = do(state, "create", sid=None, prompt="a red house", settings=Settings().as_dict(), seed=7)
        sid = reply["session"]
        wait(
            lambda: any(now["kind"] == "sketch" and now["index"] for now in state.recorder.live(sid).values())
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
            state = StudioState.open(
                store, lambda: scripted_model(updates=40, update_delay=0.02), loopback_only=False
            )
            sid = self.begin(state)
            assert do(state, "settings", sid=sid, settings=Settings(mode="pause_each").as_dict())["ok"]
            assert settle(state, sid) == "paused"
            assert [step.kind for step in steps(state, sid)] == ["prompt", "plan", "sketch"]
            assert store.runs.list("local", sid)[0].cause == "The sketch is done. Look at it, then continue."
            state.worker.close()

    def test_a_closed_studio_leaves_a_run_to_resume(self, slow: StudioState):
        sid = self.begin(slow)
        slow.worker.close()
        run = slow.store.runs.list("local", sid)[0]
        assert run.state == "lost"
        assert run.cause.endswith(".")


def test_of_two_tabs_that_rewrite_a_card_at_once_one_is_told(state: StudioState):
    """The look for other versions and the fork are one transaction."""
    sid = begin(state)
    plan = steps(state, sid)[1]
    wish = {"sid": sid, "step": plan.id, "run": False, "known": [plan.id]}
    start = threading.Barrier(4)

    def rewrite(number: int) -> dict:
        fields = {**plan.fields, "instruction": f"Add boat {number}."}
        start.wait(10)
        return do(state, "edit", fields=fields, **wish)

    with ThreadPoolExecutor(4) as tabs:
        replies = list(tabs.map(rewrite, range(4)))
    assert sorted(reply.get("conflict", False) for reply in replies) == [False, True, True, True]
    assert len(state.store.tree.branches("local", sid)) == 2
