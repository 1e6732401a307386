"""Polishing over a real store and a real worker: one turn of reflection on a finished picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine import protocols
from engine.core.errors import GenerationError
from engine.core.settings import Settings
from engine.core.trajectory import Step
from sessions import Store
from studio.commands.messages import RefusedError
from studio.commands.protocol_choice import settings_for_run
from studio.commands.retries import broke_off_polishing
from studio.state import StudioState
from tests.scripted import ScriptedPainter, scripted_model
from tests.studio.states import begin, do, settle, steps

PROCESS = ["prompt", "plan", "sketch", "inspect", "refine"]
POLISHED = [*PROCESS, "reflect", "image"]


@pytest.fixture
def painter() -> ScriptedPainter:
    return ScriptedPainter(rounds=1, fault_rounds=(1,))


@pytest.fixture
def all_ways(tmp_path: Path, painter: ScriptedPainter) -> Iterator[StudioState]:
    with Store.open(tmp_path / "all") as store:
        made = StudioState.open(
            store, lambda: scripted_model(painter, protocols=protocols.NAMES), loopback_only=False
        )
        yield made
        made.worker.close()


def kinds(state: StudioState, sid: str, branch: int = -1) -> list[str]:
    return [step.kind for step in steps(state, sid, branch)]


def polished(state: StudioState) -> str:
    """A session of the process whose picture was polished."""
    sid = begin(state)
    assert do(state, "polish", sid=sid, step=steps(state, sid)[-1].id)["ok"]
    assert settle(state, sid) == "done"
    return sid


class TestPolish:
    def test_it_is_one_turn_on_a_branch_of_its_own(self, all_ways: StudioState):
        sid = polished(all_ways)
        assert kinds(all_ways, sid, 0) == PROCESS and kinds(all_ways, sid) == POLISHED
        assert [b.name for b in all_ways.store.tree.branches("local", sid)] == ["first idea", "polished"]
        assert steps(all_ways, sid)[-1].recipe["protocol"] == "irg"
        assert all_ways.session_snapshot("local", sid)["settings"]["protocol"] == "process"

    def test_polishing_again_says_something_else(self, all_ways: StudioState):
        sid = polished(all_ways)
        refine = steps(all_ways, sid, 0)[-1]
        assert do(all_ways, "polish", sid=sid, step=refine.id)["ok"]
        settle(all_ways, sid)
        found = [s for s in all_ways.store.tree.steps("local", sid).values() if s.kind == "reflect"]
        assert {s.parent for s in found} == {refine.id}
        assert len({s.recipe["seed"] for s in found}) == 2

    def test_a_rewritten_reflection_is_followed_by_its_picture(self, all_ways: StudioState):
        sid = polished(all_ways)
        fields = {"text": "Too dark.\n### What to improve\nA blue sky."}
        assert do(all_ways, "edit", sid=sid, step=steps(all_ways, sid)[5].id, fields=fields, run=True)["ok"]
        assert settle(all_ways, sid) == "done"
        assert kinds(all_ways, sid) == POLISHED
        assert steps(all_ways, sid)[5].fields == fields
        assert steps(all_ways, sid)[6].recipe["preset"]

    @pytest.mark.parametrize("at", [5, 6])
    def test_again_makes_the_reflection_or_its_picture_anew(self, all_ways: StudioState, at: int):
        sid = polished(all_ways)
        old = steps(all_ways, sid)[at]
        assert do(all_ways, "again", sid=sid, step=old.id)["ok"]
        settle(all_ways, sid)
        new = steps(all_ways, sid)
        assert [s.kind for s in new] == POLISHED
        assert new[at].recipe["seed"] != old.recipe["seed"]

    def test_running_from_a_reflection_again_draws_another_picture(self, all_ways: StudioState):
        sid = polished(all_ways)
        reflection, first = steps(all_ways, sid)[5:]
        branch = all_ways.store.tree.branches("local", sid)[0]
        do(all_ways, "run", sid=sid, step=reflection.id, branch=branch.id)
        settle(all_ways, sid)
        assert steps(all_ways, sid)[-1].parent == first.parent
        assert steps(all_ways, sid)[-1].recipe["seed"] != first.recipe["seed"]

    def test_a_polish_that_failed_is_tried_again(self, all_ways: StudioState, painter: ScriptedPainter):
        sid = begin(all_ways)
        painter._texts = [GenerationError("Out of words.")]
        reply = do(all_ways, "polish", sid=sid, step=steps(all_ways, sid)[-1].id)
        assert settle(all_ways, sid) == "failed"
        again = {"step": steps(all_ways, sid)[-1].id, "branch": reply["branch"], "again": True}
        assert do(all_ways, "run", sid=sid, **again)["ok"]
        assert settle(all_ways, sid) == "done" and kinds(all_ways, sid) == POLISHED

    def test_once_its_picture_is_there_a_stop_does_not_ask_for_it_again(self, all_ways: StudioState):
        sid = polished(all_ways)
        run, tip = all_ways.store.runs.list("local", sid)[0], steps(all_ways, sid)[-1]
        cut_off = replace(run, state="cancelled")  # between the picture and the run's end
        assert not broke_off_polishing(all_ways.store.sessions.get("local", sid), [cut_off], tip)
        refine = steps(all_ways, sid, 0)[-1]
        assert broke_off_polishing(all_ways.store.sessions.get("local", sid), [cut_off], refine)

    def test_the_process_goes_on_after_it(self, all_ways: StudioState):
        sid = polished(all_ways)
        branch = all_ways.store.tree.branches("local", sid)[-1]
        do(all_ways, "run", sid=sid, step=branch.tip, branch=branch.id)
        settle(all_ways, sid)
        assert kinds(all_ways, sid)[len(POLISHED)] == "inspect"

    def test_a_reflection_of_ones_own_is_drawn(self, all_ways: StudioState):
        sid = begin(all_ways)
        branch = all_ways.store.tree.branches("local", sid)[0]
        more = {"branch": branch.id, "tip": branch.tip, "kind": "reflect", "fields": {"text": "Too pale."}}
        assert do(all_ways, "add", sid=sid, run=True, **more)["ok"]
        settle(all_ways, sid)
        assert kinds(all_ways, sid) == POLISHED

    def test_a_text_is_not_polished(self, all_ways: StudioState):
        sid = begin(all_ways)
        assert "Only a picture" in do(all_ways, "polish", sid=sid, step=steps(all_ways, sid)[1].id)["error"]


class TestOffered:
    def test_what_the_model_was_not_trained_for_is_refused_and_leaves_nothing(self, state: StudioState):
        sid = begin(state)
        refused = do(state, "polish", sid=sid, step=steps(state, sid)[-1].id)
        assert "“Think and reflect”" in refused["error"] and len(state.store.tree.branches("local", sid)) == 1
        wish = {**Settings().as_dict(), "protocol": "think"}
        assert "“Think first”" in do(state, "create", sid=None, prompt="a", settings=wish, seed=1)["error"]
        assert len(state.store.sessions.list("local")) == 1

    def test_the_page_hears_only_of_what_is_offered(self, state: StudioState, all_ways: StudioState):
        begin(state), begin(all_ways)  # the models are open then
        names = [[p["name"] for p in r.about()["protocols"]] for r in (state, all_ways)]
        assert names == [["process", "direct"], list(protocols.NAMES)]


class TestTurns:
    def path(self, reflections: int) -> list[Step]:
        found = [Step(None, "prompt", "person", {"text": "a"})]
        for number in range(reflections + 1):
            found.append(Step(found[-1].id, "image", "model", image=f"{number:064x}"))
            found.append(Step(found[-1].id, "reflect", "model", {"text": "b"}))
        return found[:-1]

    @pytest.mark.parametrize(
        ("reflections", "session", "turns"),
        [(0, Settings(), 2), (1, Settings(turns=4), 3), (0, Settings(protocol="irg", turns=3), 3)],
    )
    def test_one_more_than_there_are(self, reflections: int, session: Settings, turns: int):
        found = settings_for_run(self.path(reflections), session, None, polish=True)
        assert (found.protocol, found.turns) == ("irg", turns)

    def test_the_fifth_picture_is_refused(self):
        with pytest.raises(RefusedError, match="as many as Restroke makes"):
            settings_for_run(self.path(3), Settings(), None, polish=True)

    def test_other_runs_go_by_the_session(self):
        for session in (Settings(), Settings(protocol="direct"), Settings(protocol="irg", turns=1)):
            assert settings_for_run(self.path(1), session, None) is session
