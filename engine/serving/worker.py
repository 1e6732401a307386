"""The local worker: one thread that owns the model and makes everyone's steps in turn.

It opens the model, picks the next job fairly, has one step made, records the step before it announces it,
and survives whatever goes wrong in a step. It stores nothing itself and imports no torch: the model comes
from a function, and what lasts goes through a recorder (:mod:`engine.serving.contract`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.checkpoints.progress import LoadProgress
from engine.core.errors import GenerationError
from engine.core.events import (
    Answered,
    Event,
    RunCancelled,
    RunDone,
    RunPaused,
    StepFailed,
    StepFinished,
    StepStarted,
)
from engine.runs.failures import SAFE, explain_opening, failure
from engine.runs.limits import after_step
from engine.runs.opened_model import OpenedModel
from engine.runs.questions import answer
from engine.runs.runner import run_step
from engine.serving.contract import Recorder, Snapshot
from engine.serving.queue import (
    FairQueue,
    Job,
    QuestionJob,
    QueueEntry,
    RunJob,
    StepClock,
    queue_positions,
)

log = logging.getLogger(__name__)

ENDS = (StepFailed, RunDone, RunCancelled, Answered)
"""Events that end a job. They are announced once its state is stored, not when they happen."""


class Worker:
    """Makes the steps of all jobs, one after the other, on a thread of its own.

    :meth:`start` begins that thread, which calls ``open_model`` first. When that fails, the state is
    ``failed`` and every job fails with that cause, so nobody waits for a model that won't come. ``loading``
    is what ``open_model`` reports its progress to; the recorder hears of every further hundredth.
    """

    def __init__(self, open_model: Callable[[], OpenedModel], loading: LoadProgress | None = None) -> None:
        self._open_model, self._loading = open_model, loading or LoadProgress()
        self._changed = threading.Condition()
        self._queue, self._clock = FairQueue(), StepClock()
        self._now: QueueEntry | None = None
        self._model: OpenedModel | None = None
        self._state, self._cause, self._next_action = "loading", "", ""
        self._closing = False
        self._recorder: Recorder | None = None
        self._thread: threading.Thread | None = None

    def start(self, recorder: Recorder) -> None:
        """Begins to open the model and to work. Raises ``RuntimeError`` the second time."""
        with self._changed:
            if self._recorder is not None:
                raise RuntimeError("the worker was started already")
            self._recorder = recorder
            self._thread = threading.Thread(
                target=self._work, args=(recorder,), name="restroke-painter", daemon=True
            )
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Puts a job in the queue; its row must already be stored as ``queued``.

        Raises ``ValueError`` when this job is in the queue already, ``RuntimeError`` before :meth:`start` and
        after :meth:`close`.
        """
        with self._changed:
            if self._closing or self._recorder is None:
                raise RuntimeError("the worker is closed; start Restroke again")
            if self._find(job.id):
                raise ValueError(f"the job {job.id} is already in the queue")
            self._queue.add(QueueEntry(job))
            self._changed.notify_all()

    def cancel(self, job_id: str) -> bool:
        """Stops a job: at once when it waits, else at the next token or flow update. False: not here."""
        with self._changed:
            entry = self._find(job_id)
            if entry is None or self._recorder is None:
                return False
            entry.cancel.set()
            if entry is self._now:
                return True
            self._queue.remove(entry)
        _end(self._recorder, entry.job, "cancelled", RunCancelled())
        return True

    def change_mode(self, job_id: str, mode: str) -> None:
        """Has a run, if it is here, go by another mode from the end of its step on."""
        with self._changed:
            if entry := self._find(job_id):
                entry.mode = mode

    def stop_loading(self) -> None:
        """Stops the loading of the model at its next piece; the state is ``failed`` then."""
        self._loading.cancel()

    def snapshot(self) -> Snapshot:
        """The worker's state and where every job stands."""
        with self._changed:
            return Snapshot(
                state="closed" if self._closing else self._state,
                loaded=1.0 if self._model else self._loading.share,
                model=self._model,
                cause=self._cause,
                next_action=self._next_action,
                positions=queue_positions(self._now, self._queue.order(), self._clock),
                step_seconds=dict(self._clock.seconds),
            )

    def close(self, timeout: float = 2.0) -> None:
        """Stops the step under way and the thread. Jobs that had not ended become ``lost``."""
        self.stop_loading()
        with self._changed:
            self._closing = True
            if self._now:
                self._now.cancel.set()
            self._changed.notify_all()
        if self._thread:
            self._thread.join(timeout)

    def _find(self, job_id: str) -> QueueEntry | None:
        entries = [*self._queue.order(), *([self._now] if self._now else [])]
        return next((entry for entry in entries if entry.job.id == job_id), None)

    def _work(self, recorder: Recorder) -> None:
        model = self._open(recorder)
        while entry := self._take():
            if model is None:
                event: Event = StepFailed("step", self._cause, self._next_action)
            else:
                event = _make_step(model, recorder, entry)
            self._finish_step(recorder, entry, event)
        for entry in self._queue.order():
            _mark_lost(recorder, entry.job)

    def _open(self, recorder: Recorder) -> OpenedModel | None:
        self._loading.on_progress = _and_each_hundredth(self._loading.on_progress, recorder.worker_changed)
        try:
            model = self._open_model()
        except Exception as error:
            cause, next_action = explain_opening(error)
            with self._changed:
                self._state, self._cause, self._next_action = "failed", cause, next_action
            recorder.worker_changed()
            return None
        with self._changed:
            self._state, self._model = "ready", model
        recorder.worker_changed()
        return model

    def _take(self) -> QueueEntry | None:
        """Waits for the next entry; None once the worker closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or len(self._queue))
            if self._closing:
                return None
            self._now = self._queue.pop()
            self._now.step_began = time.monotonic()
            return self._now

    def _finish_step(self, recorder: Recorder, entry: QueueEntry, event: Event) -> None:
        """Puts the job back in the queue, or ends it, as its last event says."""
        job = entry.job
        if isinstance(event, StepFinished):
            entry.steps_made += 1
            seconds = time.monotonic() - entry.step_began
            entry.seconds += seconds
            end = after_step(
                event.step,
                job.settings.replace(mode=entry.mode or job.settings.mode),
                steps_made=entry.steps_made,
                seconds=entry.seconds,
                steps_limit=job.steps_limit if isinstance(job, RunJob) else None,
            )
            with self._changed:
                self._clock.measured(event.step.kind, seconds)
                if end is None and not entry.cancel.is_set():
                    self._now = None
                    self._queue.served(entry, requeue=True)
                    return
            event = end or RunCancelled()
        with self._changed:
            self._now = None
            self._queue.served(entry, requeue=False)
            closing = self._closing
        if isinstance(event, RunCancelled) and closing:
            _mark_lost(recorder, job)
        elif isinstance(event, RunCancelled):
            _end(recorder, job, "cancelled", event)
        elif isinstance(event, RunPaused):
            _end(recorder, job, "paused", event, event.reason)
        elif isinstance(event, RunDone):
            _end(recorder, job, "done", event, event.reason)
        elif isinstance(event, StepFailed):
            _end(recorder, job, "failed", event, event.cause, event.next_action)
        else:
            _end(recorder, job, "done", event)


def _and_each_hundredth(
    on_progress: Callable[[LoadProgress], None] | None, changed: Callable[[], None]
) -> Callable[[LoadProgress], None]:
    """Who is told of every piece of the load: whoever was before, and ``changed`` at each hundredth."""
    told = -1

    def report(now: LoadProgress) -> None:
        nonlocal told
        if on_progress:
            on_progress(now)
        if int(now.share * 100) != told:
            told = int(now.share * 100)
            changed()

    return report


def _make_step(model: OpenedModel, recorder: Recorder, entry: QueueEntry) -> Event:
    """Has one step made and recorded. Returns the event that says how it, or the job, ended."""
    kind, event = "step", None
    try:
        if entry.steps_made == 0:
            _set_state(recorder, entry.job, "running")
        if entry.job.provisional:
            settings, seed = recorder.settings(entry.job)
            entry.job = replace(entry.job, settings=settings, session_seed=seed, provisional=False)
        for event in _events(model, recorder, entry):
            if isinstance(event, StepStarted):
                kind = entry.kind = event.kind
            if isinstance(event, StepFinished) and isinstance(entry.job, RunJob):
                recorder.finish_step(entry.job, event.step)
            if isinstance(event, Answered) and isinstance(entry.job, QuestionJob):
                recorder.finish_answer(entry.job, event)
            if not isinstance(event, ENDS):
                _announce(recorder, entry.job, event)
        if event is None:
            raise RuntimeError("a step ended without an event")
        return event
    except Exception as error:
        return failure(kind, error)
    finally:
        entry.kind = None


def _events(model: OpenedModel, recorder: Recorder, entry: QueueEntry) -> Iterator[Event]:
    """The events of a run's next step, or of a question."""
    job, name = entry.job, entry.job.settings.protocol
    is_first = entry.steps_made == 0
    protocol = model.protocols.get(name)
    if protocol is None:
        raise GenerationError(
            f"This model doesn't know the way of working “{name}”. {SAFE}",
            "Choose another way of working in the settings, then continue.",
        )
    path = recorder.trajectory(job)
    if isinstance(job, QuestionJob):
        entry.kind = "answer"
        return answer(
            model,
            protocol,
            path,
            job.question,
            job.settings,
            pixels=lambda digest: recorder.pixels(job, digest),
            session_seed=job.session_seed,
            attempt=job.attempt,
            cancel=entry.cancel,
        )
    return run_step(
        model,
        protocol,
        path,
        job.settings,
        pixels=lambda digest: recorder.pixels(job, digest),
        store_image=recorder.store_image,
        session_seed=job.session_seed,
        attempt=job.attempt if is_first else 0,
        more=isinstance(job, RunJob) and job.more and is_first,
        cancel=entry.cancel,
    )


def _mark_lost(recorder: Recorder, job: Job) -> None:
    cause = f"Restroke was closed before this run had ended. {SAFE}"
    _log_failures(lambda: _set_state(recorder, job, "lost", cause, "Continue from where it stopped."), job)


def _end(
    recorder: Recorder, job: Job, state: str, event: Event, cause: str = "", next_action: str = ""
) -> None:
    _log_failures(lambda: _set_state(recorder, job, state, cause, next_action), job)
    _announce(recorder, job, event)


def _set_state(recorder: Recorder, job: Job, state: str, cause: str = "", next_action: str = "") -> None:
    if isinstance(job, RunJob):
        recorder.set_run(job, state, cause, next_action)
    else:
        recorder.set_question(job, state, cause, next_action)


def _announce(recorder: Recorder, job: Job, event: Event) -> None:
    if isinstance(job, RunJob):
        _log_failures(lambda: recorder.publish(job, event), job)
    else:
        _log_failures(lambda: recorder.publish_answer(job, event), job)


def _log_failures(record: Callable[[], None], job: Job) -> None:
    """An end that can't be stored (a full disk) must not end the worker, nor an announcement fail a step."""
    try:
        record()
    except Exception as error:
        log.error("news of the job %s could not be recorded", job.id, exc_info=error)
