"""The local worker: fairness, urgency, recording before telling, cancelling, crashes, closing."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
import time

import pytest

from engine.checkpoints.errors import CheckpointError
from engine.core.events import RunCancelled, RunDone, RunPaused, StepFailed, StepFinished
from engine.core.settings import Settings
from engine.serving.queue import RunJob
from engine.serving.worker import Worker
from tests.scripted import MemoryRecorder, ScriptedPainter, scripted_model


class Gate:
    """Lets a test hold the painter at a token: ``reached`` is set there, and it waits for ``open``."""

    def __init__(self):
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, _):
        self.reached.set()
        assert self.open.wait(5)


@pytest.fixture
def start():
    """Starts workers that are closed after the test; returns (worker, recorder)."""
    workers = []

    def begin(painter, recorder=None):
        open_model = painter if callable(painter) else lambda: scripted_model(painter)
        recorder = recorder or MemoryRecorder()
        workers.append(Worker(open_model))
        workers[-1].start(recorder)
        return workers[-1], recorder

    yield begin
    for worker in workers:
        worker.close()


def job(recorder, name, *, session=None, settings=None, **more):
    """A job on a branch of its own; the run, its branch and (by default) its session share a name."""
    if name not in recorder.paths:
        recorder.begin(name, "a red house")
    return RunJob(
        id=name,
        owner="me",
        session_id=session or name,
        branch_id=name,
        settings=settings or Settings(),
        session_seed=1,
        **more,
    )


def ended(recorder, *runs):
    final = ("paused", "done", "failed", "cancelled", "lost")
    recorder.wait(lambda: all(recorder.state(run) in final for run in runs))
    recorder.wait(lambda: all(recorder.state(r) == "lost" or recorder.events(r) for r in runs))


def order(recorder):
    return [run for run, what, _ in recorder.log if what == "step"]


def test_a_run_goes_to_its_end_and_each_step_is_stored_before_it_is_told(start):
    worker, recorder = start(ScriptedPainter())
    worker.submit(job(recorder, "a"))
    recorder.wait(lambda: any(isinstance(e, RunDone) for e in recorder.events("a")))
    kinds = ["prompt", "plan", "sketch", "inspect", "refine", "plan", "sketch", "inspect"]
    assert [s.kind for s in recorder.paths["a"]] == kinds
    assert [v[0] for _, what, v in recorder.log if what == "state"] == ["running", "done"]
    for at, (_, what, value) in enumerate(recorder.log):
        if what == "event" and isinstance(value, StepFinished):
            assert recorder.log[at - 1][1:] == ("step", value.step)
            if value.step.image:
                assert recorder.log[at - 2][1:] == ("image", value.step.image)
        if what == "event" and isinstance(value, RunDone):
            assert recorder.log[at - 1][1] == "state"


def test_sessions_take_turns_step_by_step(start):
    gate = Gate()
    worker, recorder = start(ScriptedPainter(on_token=gate))
    for name in ("a", "b", "c"):
        worker.submit(job(recorder, name, settings=Settings(max_rounds=1)))
    gate.reached.wait(5)
    gate.open.set()
    ended(recorder, "a", "b", "c")
    assert order(recorder)[:6] == ["a", "b", "c", "a", "b", "c"]


def test_a_second_run_of_a_busy_session_does_not_double_its_share(start):
    gate = Gate()
    worker, recorder = start(ScriptedPainter(on_token=gate))
    worker.submit(job(recorder, "a1", session="a"))
    gate.reached.wait(5)
    worker.submit(job(recorder, "a2", session="a"))
    worker.submit(job(recorder, "b"))
    gate.open.set()
    ended(recorder, "a1", "a2", "b")
    assert order(recorder)[:6] == ["a1", "b", "a2", "b", "a1", "b"]


def test_an_edit_just_made_goes_before_another_sessions_automatic_run(start):
    gate = Gate()
    worker, recorder = start(ScriptedPainter(on_token=gate))
    worker.submit(job(recorder, "a"))
    gate.reached.wait(5)
    worker.submit(job(recorder, "c"))
    worker.submit(job(recorder, "b", priority=True))
    assert [p.job_id for p in worker.snapshot().positions] == ["a", "b", "c"]
    gate.open.set()
    ended(recorder, "a", "b", "c")
    assert order(recorder)[:5] == ["a", "b", "c", "a", "b"]


def test_positions_and_waits_come_from_measured_steps(start):
    gate, painter = Gate(), ScriptedPainter(update_delay=0.02)
    worker, recorder = start(painter)
    worker.submit(job(recorder, "first"))
    ended(recorder, "first")
    painter.on_token = gate
    measured = worker.snapshot().step_seconds
    assert measured["sketch"] >= 0.08 and measured["plan"] > 0
    for name in ("a", "b", "c"):
        worker.submit(job(recorder, name))
    gate.reached.wait(5)
    a, b, c = worker.snapshot().positions
    assert [(p.job_id, p.position) for p in (a, b, c)] == [("a", 0), ("b", 1), ("c", 2)]
    assert (a.kind, a.wait_seconds) == ("plan", 0.0)
    expected = sum(measured.values()) / len(measured)
    assert c.wait_seconds - b.wait_seconds == pytest.approx(expected)
    gate.open.set()


def test_a_waiting_run_has_no_made_up_times_before_anything_was_measured(start):
    release = threading.Event()

    def slowly():
        release.wait(5)
        return scripted_model()

    worker, recorder = start(slowly)
    worker.submit(job(recorder, "a"))
    snapshot = worker.snapshot()
    assert snapshot.state == "loading"
    assert [(p.position, p.wait_seconds, p.step_seconds) for p in snapshot.positions] == [(1, None, None)]
    release.set()
    ended(recorder, "a")
    assert worker.snapshot().state == "ready" and worker.snapshot().model.title.startswith("Scripted")


def test_cancel_of_the_running_step_leaves_nothing_and_the_next_run_goes_on(start):
    gate = Gate()
    painter = ScriptedPainter(on_update=gate)
    worker, recorder = start(painter)
    worker.submit(job(recorder, "a", settings=Settings(protocol="direct")))
    gate.reached.wait(5)
    worker.submit(job(recorder, "b", settings=Settings(protocol="direct")))
    assert worker.cancel("a")
    gate.open.set()
    ended(recorder, "a", "b")
    assert (recorder.state("a"), recorder.state("b")) == ("cancelled", "done")
    assert len(recorder.paths["a"]) == 1 and recorder.events("a")[-1] == RunCancelled()
    assert len(recorder.images) == 1


def test_cancel_of_a_waiting_run_is_immediate_and_of_an_unknown_one_false(start):
    gate = Gate()
    worker, recorder = start(ScriptedPainter(on_token=gate))
    worker.submit(job(recorder, "a"))
    gate.reached.wait(5)
    worker.submit(job(recorder, "b"))
    assert worker.cancel("b") and recorder.state("b") == "cancelled"
    assert not worker.cancel("b") and not worker.cancel("nobody")
    gate.open.set()
    ended(recorder, "a")
    assert "b" not in order(recorder)


def test_a_paused_run_leaves_the_queue_and_can_be_asked_for_again(start):
    worker, recorder = start(ScriptedPainter())
    for steps in (2, 3):
        worker.submit(job(recorder, "a", settings=Settings(mode="pause_each")))
        recorder.wait(lambda n=steps: sum(isinstance(e, RunPaused) for e in recorder.events("a")) == n - 1)
        assert len(recorder.paths["a"]) == steps and recorder.state("a") == "paused"
    assert worker.snapshot().positions == ()


def test_one_more_round_is_made_once_and_then_the_model_is_asked_again(start):
    worker, recorder = start(ScriptedPainter(rounds=1, fault_rounds=()))
    for wish in (False, True):
        worker.submit(job(recorder, "a", more=wish))
        recorder.wait(lambda n=1 + wish: sum(isinstance(e, RunDone) for e in recorder.events("a")) == n)
    kinds = [step.kind for step in recorder.paths["a"]]
    assert kinds == ["prompt", *["plan", "sketch", "inspect"] * 2]
    assert [step.recipe.get("wish") for step in recorder.paths["a"][4:]] == ["one more round", None, None]


@pytest.mark.parametrize(
    ("begun", "chosen", "state"), [("auto", "one_step", "paused"), ("one_step", "auto", "done")]
)
def test_a_mode_chosen_during_a_step_holds_from_its_end_on(start, begun, chosen, state):
    gate = Gate()
    worker, recorder = start(ScriptedPainter(rounds=1, on_token=gate))
    worker.submit(job(recorder, "a", settings=Settings(mode=begun)))
    gate.reached.wait(5)
    worker.change_mode("a", chosen)
    worker.change_mode("nobody", chosen)
    gate.open.set()
    ended(recorder, "a")
    assert recorder.state("a") == state and (len(recorder.paths["a"]) == 2) == (state == "paused")


def test_the_same_run_twice_is_refused(start):
    gate = Gate()
    worker, recorder = start(ScriptedPainter(on_token=gate))
    worker.submit(job(recorder, "a"))
    with pytest.raises(ValueError, match="already"):
        worker.submit(job(recorder, "a"))
    gate.open.set()


def test_a_crash_in_one_step_fails_that_run_and_the_others_go_on(start):
    painter = ScriptedPainter(texts=[ZeroDivisionError("oops")])
    worker, recorder = start(painter)
    worker.submit(job(recorder, "a"))
    worker.submit(job(recorder, "b"))
    ended(recorder, "a", "b")
    assert (recorder.state("a"), recorder.state("b")) == ("failed", "done")
    failed = recorder.events("a")[-1]
    assert isinstance(failed, StepFailed) and "ZeroDivisionError" in failed.cause
    state = next(v for r, w, v in reversed(recorder.log) if (r, w) == ("a", "state"))
    assert state == ("failed", failed.cause, failed.next_action)


def test_a_worker_that_is_not_started_takes_no_job_and_starts_once():
    worker, recorder = Worker(scripted_model), MemoryRecorder()
    with pytest.raises(RuntimeError):
        worker.submit(job(recorder, "a"))
    assert not worker.cancel("a")
    worker.start(recorder)
    with pytest.raises(RuntimeError, match="already"):
        worker.start(recorder)
    worker.close()


@pytest.mark.parametrize("broken", ["finish_step", "store_image", "trajectory"])
def test_a_disk_that_fills_up_fails_the_run_and_tells_of_no_step_that_is_not_stored(start, broken):
    recorder = MemoryRecorder()
    whole = getattr(recorder, broken)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    setattr(recorder, broken, full)
    worker, _ = start(ScriptedPainter(), recorder)
    worker.submit(job(recorder, "a", settings=Settings(protocol="direct")))
    ended(recorder, "a")
    assert recorder.state("a") == "failed" and "disk is full" in recorder.events("a")[-1].cause
    assert not any(isinstance(e, StepFinished) for e in recorder.events("a"))
    setattr(recorder, broken, whole)
    worker.submit(job(recorder, "a", settings=Settings(protocol="direct")))
    recorder.wait(lambda: recorder.state("a") == "done")


def test_a_listener_that_fails_does_not_fail_the_step(start):
    recorder = MemoryRecorder()
    publish = recorder.publish

    def deaf(job, event):
        if isinstance(event, StepFinished):
            raise RuntimeError("nobody listens")
        publish(job, event)

    recorder.publish = deaf
    worker, _ = start(ScriptedPainter(), recorder)
    worker.submit(job(recorder, "a", settings=Settings(protocol="direct")))
    ended(recorder, "a")
    assert recorder.state("a") == "done" and len(recorder.paths["a"]) == 2


def test_a_recorder_that_can_store_no_state_does_not_end_the_worker(start):
    recorder = MemoryRecorder()
    set_run = recorder.set_run
    recorder.set_run = lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device"))
    worker, _ = start(ScriptedPainter(), recorder)
    worker.submit(job(recorder, "a"))
    recorder.wait(lambda: any(isinstance(e, StepFailed) for e in recorder.events("a")))
    recorder.set_run = set_run
    worker.submit(job(recorder, "b"))
    recorder.wait(lambda: recorder.state("b") == "done")


def test_a_model_that_cannot_be_opened_fails_every_run_with_the_cause(start):
    def broken():
        raise FileNotFoundError("the folder /models/x has no config.json")

    worker, recorder = start(broken)
    worker.submit(job(recorder, "a"))
    ended(recorder, "a")
    snapshot = worker.snapshot()
    assert snapshot.state == "failed" and "config.json" in snapshot.cause and snapshot.next_action
    assert recorder.state("a") == "failed" and "config.json" in recorder.events("a")[-1].cause


def test_a_folder_that_is_no_model_is_refused_in_its_own_words_alone(start):
    def broken():
        raise CheckpointError("ae.safetensors was cut short. Fetch it again.")

    worker, recorder = start(broken)
    worker.submit(job(recorder, "a"))
    ended(recorder, "a")
    snapshot = worker.snapshot()
    assert snapshot.cause.endswith("Fetch it again.") and snapshot.next_action == ""


def test_what_is_said_about_the_model_is_there_once_it_is(start):
    gate = threading.Event()
    model = scripted_model()
    worker, recorder = start(lambda: gate.wait(5) and model)
    assert worker.snapshot().model is None
    gate.set()
    recorder.wait(lambda: worker.snapshot().state == "ready")
    assert worker.snapshot().model is model and model.about != model.title


def test_close_stops_mid_step_quickly_and_unfinished_runs_are_lost(start):
    recorder = MemoryRecorder()
    painter = ScriptedPainter(update_delay=0.05, updates=1000)
    worker, _ = start(painter, recorder)
    for name in ("a", "b"):
        worker.submit(job(recorder, name, settings=Settings(protocol="direct")))
    recorder.wait(lambda: len(recorder.events("a")) > 2)
    began = time.monotonic()
    worker.close()
    assert time.monotonic() - began < 2
    assert (recorder.state("a"), recorder.state("b")) == ("lost", "lost")
    assert worker.snapshot().state == "closed" and not recorder.images
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(job(recorder, "c"))


def test_the_worker_and_the_loop_import_neither_torch_nor_pictures():
    code = (
        "import sys, engine.serving.worker, engine.runs.runner, engine.protocols, engine.inference.events;"
        "print([m for m in ('torch', 'PIL', 'gradio', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
