"""What a tab is told, so that the page needs no rules of its own."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.protocols.base import COMPLETE
from engine.protocols.facts import round_seconds
from sessions import Run, Session
from studio.state import StudioState
from studio.views import next_round, run_view, settings_of
from tests.studio.states import begin, do, steps

PROMPT = Step(None, "prompt", "person", {"text": "a"})
START = Step(PROMPT.id, "image", "person", image="0" * 64, recipe={"start": "upload"})


def newest(state: StudioState, sid: str, after: int) -> list[dict[str, Any]]:
    return [event["branch"] for event in state.log.after([sid], after) if event["kind"] == "branch"]


def test_each_card_is_told_with_its_round_and_what_the_model_is_shown(state: StudioState):
    sid = begin(state)
    views = {view["id"]: view for view in state.session_snapshot("local", sid)["steps"]}
    path = steps(state, sid)
    assert [views[step.id]["round"] for step in path] == [0, 1, 1, 1, 1]
    assert views[path[-1].id]["history"] == {"all": 2, "accepted": 2}


def test_what_may_come_next_on_a_branch_follows_from_the_settings_at_once(state: StudioState):
    sid = begin(state)
    (branch,) = state.session_snapshot("local", sid)["branches"]
    assert (branch["next_text"], branch["drawn"], branch["may_continue"]) == ("plan", False, True)
    assert branch["finished_picture"] == steps(state, sid)[-1].id
    before = state.log.seq
    do(state, "settings", sid=sid, settings={"protocol": "direct"})
    kinds = [event["kind"] for event in state.log.after([sid], before)]
    assert kinds == ["session", "branch"], "a tab goes by the new settings before it hears of the branch"
    (told,) = newest(state, sid, before)
    assert told == state.session_snapshot("local", sid)["branches"][0]
    assert (told["drawn"], told["may_continue"]) == (True, False)


def test_the_card_that_is_being_made_is_told_with_its_round():
    assert next_round([PROMPT], "plan") == next_round([PROMPT], "image") == 1
    plan = Step(PROMPT.id, "plan", "model", {"instruction": "a", "description": ""})
    assert next_round([PROMPT, plan], "sketch") == 1
    assert next_round([PROMPT, START], "plan") == 1
    sketch = Step(plan.id, "sketch", "model", image="1" * 64)
    assert next_round([PROMPT, plan, sketch], "reflect") == 2


def test_of_two_announcements_of_a_branch_the_later_one_is_the_newer(state: StudioState):
    """However threads take turns, the last event of a branch says what is in the store."""
    sid = begin(state)
    (branch,) = state.store.tree.branches("local", sid)
    before = state.log.seq

    def rename(number: int) -> None:
        for count in range(8):
            do(state, "rename_branch", sid=sid, branch=branch.id, name=f"idea {number} {count}")

    threads = [threading.Thread(target=rename, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert newest(state, sid, before)[-1]["name"] == state.store.tree.branch("local", sid, branch.id).name


def test_the_pace_of_a_round_is_told_once_all_its_steps_were_measured(state: StudioState):
    begin(state, protocol="direct")
    told = state.home_snapshot("local")["worker"]["paces"]
    assert told == round_seconds(state.worker.snapshot().step_seconds) and set(told) == {"direct"}


def test_a_run_that_the_model_ended_is_complete_whichever_sentence_was_stored():
    def view(cause: str, state: str = "done") -> dict[str, Any]:
        now = datetime.now(UTC)
        return run_view(Run("r", "s", "b", state, {}, cause, "", "", now, now))

    assert view(COMPLETE)["complete"]
    assert view("The model says that the picture is complete.")["complete"], "a session of before"
    assert not view("The limit of 6 rounds is reached.")["complete"]
    assert not view(COMPLETE, "failed")["complete"]


def test_one_setting_from_elsewhere_that_does_not_fit_costs_no_other():
    moment = datetime.now(UTC)
    kept = {"timesteps": 30.0, "guidance": "much", "temperature": 1, "unknown": 3}
    settings, seed = settings_of(Session("s", "t", kept, 7, moment, moment))
    assert (settings.timesteps, settings.temperature, seed) == (30, 1, 7)
    assert settings.guidance == Settings().guidance
