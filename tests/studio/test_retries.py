"""What earlier runs mean for the next: a wish for one more round is kept, and failures are counted fairly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.errors import GenerationError
from engine.core.trajectory import Step
from sessions import Store
from studio.state import StudioState
from tests.scripted import ScriptedPainter, scripted_model
from tests.studio.states import begin, do, settle, steps, wait

ROUND = ["plan", "sketch", "inspect"]


@pytest.fixture
def painter() -> ScriptedPainter:
    return ScriptedPainter(rounds=1, fault_rounds=())


@pytest.fixture
def state(tmp_path: Path, painter: ScriptedPainter) -> Iterator[StudioState]:
    with Store.open(tmp_path) as store:
        made = StudioState.open(store, lambda: scripted_model(painter), loopback_only=False)
        yield made
        made.worker.close()


def go_on(state: StudioState, sid: str, **wishes: bool) -> None:
    branch = state.store.tree.branches("local", sid)[0]
    assert do(state, "run", sid=sid, step=branch.tip, branch=branch.id, **wishes)["ok"]


def made_since(state: StudioState, sid: str, branch: int = -1) -> list[Step]:
    """The steps after the first round, which the model held to be all."""
    return steps(state, sid, branch)[4:]


class TestOneMoreRound:
    def test_again_on_the_plan_it_made_makes_another(self, state: StudioState):
        sid = begin(state)
        go_on(state, sid, more=True)
        settle(state, sid)
        first = made_since(state, sid)[0]
        assert do(state, "again", sid=sid, step=first.id)["ok"]
        assert settle(state, sid) == "done"
        other = made_since(state, sid)
        assert [step.kind for step in other] == ROUND
        assert other[0].recipe["wish"] == first.recipe["wish"]
        assert other[0].recipe["seed"] != first.recipe["seed"]

    def test_a_plan_that_failed_is_still_wished_for_however_often(
        self, state: StudioState, painter: ScriptedPainter
    ):
        sid = begin(state)
        painter._texts = [GenerationError("Out of words.")] * 2
        go_on(state, sid, more=True)
        for _ in range(2):
            assert settle(state, sid) == "failed"
            go_on(state, sid, again=True)
        assert settle(state, sid) == "done"
        assert [step.kind for step in made_since(state, sid)] == ROUND

    def test_a_plan_that_was_stopped_is_still_wished_for(self, state: StudioState, painter: ScriptedPainter):
        sid = begin(state)
        painter.token_delay = 0.2
        go_on(state, sid, more=True)
        wait(lambda: bool(state.recorder.live(sid)))
        do(state, "stop", sid=sid, run=state.store.runs.list("local", sid)[0].id)
        assert settle(state, sid) == "cancelled"
        painter.token_delay = 0
        go_on(state, sid)
        assert settle(state, sid) == "done"
        assert [step.kind for step in made_since(state, sid)] == ROUND

    def test_once_the_plan_is_made_it_is_not_wished_for_again(
        self, state: StudioState, painter: ScriptedPainter
    ):
        sid = begin(state)
        painter._texts = ["<ins>Add a tree.</ins><des>A tree.</des>", GenerationError("Out of words.")]
        go_on(state, sid, more=True)
        assert settle(state, sid) == "failed"
        go_on(state, sid, again=True)
        assert settle(state, sid) == "done"
        assert [step.kind for step in made_since(state, sid)] == ROUND
        assert not state.store.runs.list("local", sid)[0].settings["more"]


class TestFailures:
    def fail(self, state: StudioState, painter: ScriptedPainter, sid: str, **wishes: bool) -> None:
        painter._texts = [GenerationError("Out of words.")]
        go_on(state, sid, **wishes)
        assert settle(state, sid) == "failed"

    def test_each_is_a_wish_for_another_seed(self, state: StudioState, painter: ScriptedPainter):
        sid = begin(state)
        self.fail(state, painter, sid, more=True)
        self.fail(state, painter, sid, again=True)
        go_on(state, sid, again=True)
        settle(state, sid)
        assert made_since(state, sid)[0].recipe["attempt"] == 2

    def test_those_before_a_card_of_the_persons_count_no_more(
        self, state: StudioState, painter: ScriptedPainter
    ):
        sid = begin(state)
        self.fail(state, painter, sid, more=True)
        branch = state.store.tree.branches("local", sid)[0]
        fields = {"instruction": "Add a green tree.", "description": ""}
        wish = {"branch": branch.id, "tip": branch.tip, "kind": "plan", "fields": fields, "run": False}
        added = do(state, "add", sid=sid, **wish)
        assert state.session_snapshot("local", sid)["runs"][-1]["after"] == branch.tip != added["step"]
        go_on(state, sid, again=True)
        settle(state, sid)
        sketch = made_since(state, sid)[1]
        assert (sketch.kind, sketch.recipe["attempt"]) == ("sketch", 0)


def stop(state: StudioState, sid: str) -> None:
    wait(lambda: bool(state.recorder.live(sid)))
    do(state, "stop", sid=sid, run=state.store.runs.list("local", sid)[0].id)
    assert settle(state, sid) == "cancelled"


class TestAnotherSeed:
    """ "Again" asks for a new seed; so does whatever goes on with it after it broke off."""

    def continued(self, state: StudioState, sid: str, reply: dict, **wishes: bool) -> Step:
        """The first step of the branch that ``reply`` is about, once it is made after all."""
        tip = state.store.tree.branch("local", sid, reply["branch"]).tip
        assert do(state, "run", sid=sid, step=tip, branch=reply["branch"], **wishes)["ok"]
        assert settle(state, sid) == "done"
        made = state.store.tree.branch("local", sid, reply["branch"]).tip
        path = state.store.tree.trajectory("local", sid, made)
        return path[[step.id for step in path].index(tip) + 1]

    def test_is_drawn_after_a_stop_too(self, state: StudioState, painter: ScriptedPainter):
        sid = begin(state)
        old = steps(state, sid)[2]
        painter.update_delay = 0.2
        reply = do(state, "again", sid=sid, step=old.id)
        stop(state, sid)
        painter.update_delay = 0
        new = self.continued(state, sid, reply)
        assert (new.kind, new.recipe["attempt"]) == ("sketch", 1) and new.id != old.id

    def test_that_failed_is_followed_by_yet_another(self, state: StudioState, painter: ScriptedPainter):
        sid = begin(state)
        painter._texts = [GenerationError("Out of words.")]
        reply = do(state, "again", sid=sid, step=steps(state, sid)[1].id)
        assert settle(state, sid) == "failed"
        assert self.continued(state, sid, reply, again=True).recipe["attempt"] == 2

    def test_asked_for_twice_at_once_is_two(self, state: StudioState, painter: ScriptedPainter):
        sid = begin(state)
        painter.update_delay = 0.2
        first, second = (do(state, "again", sid=sid, step=steps(state, sid, 0)[2].id) for _ in range(2))
        painter.update_delay = 0
        settle(state, sid)
        both = [self.continued(state, sid, first), steps(state, sid)[2]]
        assert sorted(step.recipe["attempt"] for step in both) == [1, 2], (first, second)

    def test_of_a_plan_of_ones_own_is_a_plan_of_the_models(self, state: StudioState):
        """Even where the model held the picture to be complete: the person did not."""
        sid = begin(state)
        branch = state.store.tree.branches("local", sid)[0]
        fields = {"instruction": "Add a green tree.", "description": ""}
        own = {"branch": branch.id, "tip": branch.tip, "kind": "plan", "fields": fields, "run": False}
        added = do(state, "add", sid=sid, **own)
        assert do(state, "again", sid=sid, step=added["step"])["ok"]
        assert settle(state, sid) == "done"
        assert [step.kind for step in made_since(state, sid)] == ROUND
        assert made_since(state, sid)[0].author == "model"

    def test_is_refused_where_the_way_of_working_has_nothing_to_add(self, state: StudioState):
        sid = begin(state)
        do(state, "settings", sid=sid, settings={"protocol": "direct"})
        refused = do(state, "again", sid=sid, step=steps(state, sid)[3].id)
        assert "“In one go” has nothing to add" in refused["error"]
        assert len(state.store.tree.branches("local", sid)) == 1


class TestUnchangedWords:
    def test_save_and_run_goes_on_from_the_end_of_the_branch(self, state: StudioState):
        """As the play button of that card does: no second branch."""
        sid = begin(state)
        plan = steps(state, sid)[1]
        fields = {**plan.fields, "instruction": "Add a blue house."}
        saved = do(state, "edit", sid=sid, step=plan.id, fields=fields, run=False)
        wish = {"step": saved["step"], "fields": fields, "run": True, "branch": saved["branch"]}
        assert do(state, "edit", sid=sid, **wish)["branch"] == saved["branch"]
        assert settle(state, sid) == "done"
        assert [step.kind for step in steps(state, sid)] == ["prompt", *ROUND]


def test_a_correction_of_blanks_is_none(state: StudioState):
    sid = begin(state)
    inspect = steps(state, sid)[3]
    fields = {"verdict": "It is fine so.", "correction": " \n "}
    assert do(state, "edit", sid=sid, step=inspect.id, fields=fields, run=False)["ok"]
    assert steps(state, sid)[3].fields == {"verdict": "It is fine so.", "correction": ""}
