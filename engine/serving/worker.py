"""The local worker: one thread that owns the model and makes everyone's steps in turn.

It opens the painter, picks the next run fairly, has the runner make one step, records the step before
it tells of it, and survives whatever goes wrong in a step. It stores nothing itself and knows no
torch: the painter comes from a function, and what lasts goes through a recorder (``contract``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.checkpoints.progress import Loading
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
from engine.core.image_sizes import ImageSizes
from engine.inference.events import GenerationError
from engine.protocols.history import MAX_PICTURES
from engine.runs.failures import SAFE, explain_opening, failure
from engine.runs.limits import after_step
from engine.runs.questions import answer
from engine.runs.runner import advance
from engine.serving.contract import Recorder, Snapshot
from engine.serving.queue import FairQueue, Job, StepClock, Turn, queue_positions

if TYPE_CHECKING:
    from engine.inference.painter import Painter

log = logging.getLogger(__name__)


class Worker:
    """Makes the steps of all runs, one after the other, on a thread of its own.

    ``open_painter`` is called on that thread. When it fails, the state is ``failed`` and every run
    asked for fails with that cause, so nobody waits for a model that will not come. ``loading`` is what
    ``open_painter`` tells of its progress; ``changed`` is called when that or the state has changed.
    """

    def __init__(
        self,
        open_painter: Callable[[], Painter],
        recorder: Recorder,
        loading: Loading | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._open_painter, self._recorder = open_painter, recorder
        self._loading, self._tell_change = loading or Loading(), changed
        self._changed = threading.Condition()
        self._queue, self._clock = FairQueue(), StepClock()
        self._now: Turn | None = None
        self._state, self._title, self._about, self._fingerprint = "loading", "", "", {}
        self._protocols: tuple[str, ...] = ()
        self._canvas: ImageSizes | None = None
        self._most_pictures = MAX_PICTURES
        self._answers = False
        self._cause, self._next_action = "", ""
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="restroke-painter", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Puts a run in the queue; its row must already be stored as ``queued``.

        Raises ``ValueError`` when this run is in the queue already, ``RuntimeError`` after ``close``.
        """
        with self._changed:
            if self._closing:
                raise RuntimeError("the worker is closed; start Restroke again")
            if self._find(job.run_id):
                raise ValueError(f"the run {job.run_id} is already in the queue")
            self._queue.add(Turn(job))
            self._changed.notify_all()

    def cancel(self, run_id: str) -> bool:
        """Stops a run: at once when it waits, else at the next token or flow update. False: not here."""
        with self._changed:
            turn = self._find(run_id)
            if turn is None:
                return False
            turn.cancel.set()
            if turn is self._now:
                return True
            self._queue.remove(turn)
        self._end(turn, "cancelled", RunCancelled())
        return True

    def change_mode(self, run_id: str, mode: str) -> None:
        """Has a run, if it is here, go by another mode from the end of its step on."""
        with self._changed:
            if turn := self._find(run_id):
                turn.mode = mode

    def stop_loading(self) -> None:
        """Stops the loading of the model at its next piece; the state is ``failed`` then."""
        self._loading.cancel()

    def snapshot(self) -> Snapshot:
        """The worker's state and every run's place."""
        with self._changed:
            return Snapshot(
                state="closed" if self._closing else self._state,
                loaded=1.0 if self._state == "ready" else self._loading.share,
                title=self._title,
                about=self._about,
                protocols=self._protocols,
                canvas=self._canvas,
                answers=self._answers,
                max_pictures=self._most_pictures,
                fingerprint=dict(self._fingerprint),
                cause=self._cause,
                next_action=self._next_action,
                runs=queue_positions(self._now, self._queue.order(), self._clock),
                step_seconds=dict(self._clock.seconds),
            )

    def close(self, timeout: float = 2.0) -> None:
        """Stops the step under way and the thread. Runs that had not ended become ``lost``."""
        self.stop_loading()
        with self._changed:
            self._closing = True
            if self._now:
                self._now.cancel.set()
            self._changed.notify_all()
        self._thread.join(timeout)

    def _find(self, run_id: str) -> Turn | None:
        turns = [*self._queue.order(), *([self._now] if self._now else [])]
        return next((turn for turn in turns if turn.job.run_id == run_id), None)

    def _work(self) -> None:
        painter = self._load()
        while turn := self._take():
            if painter is None:
                self._settle(turn, StepFailed("step", self._cause, self._next_action))
            else:
                self._settle(turn, self._make_step(painter, turn))
        for turn in self._queue.order():
            self._lose(turn)

    def _load(self) -> Painter | None:
        self._loading.heard = self._follow(self._loading.heard)
        try:
            painter = self._open_painter()
        except Exception as error:
            with self._changed:
                self._state = "failed"
                self._cause, self._next_action = explain_opening(error)
            self._tell_change()
            return None
        with self._changed:
            self._state, self._fingerprint = "ready", dict(painter.fingerprint)
            self._title, self._about = painter.title, painter.about
            self._protocols, self._canvas = tuple(painter.protocols), painter.canvas
            self._answers = any(protocol.asks for protocol in painter.grammars.values())
            self._most_pictures = painter.max_pictures
        self._tell_change()
        return painter

    def _follow(self, heard: Callable[[Loading], None] | None) -> Callable[[Loading], None]:
        """What is told of every piece: whoever listened before, and the tabs at each further hundredth."""
        told = -1

        def follow(now: Loading) -> None:
            nonlocal told
            if heard:
                heard(now)
            if int(now.share * 100) != told:
                told = int(now.share * 100)
                self._tell_change()

        return follow

    def _take(self) -> Turn | None:
        """Waits for the next turn; None once the worker closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or len(self._queue))
            if self._closing:
                return None
            self._now = self._queue.pop()
            self._now.step_began = time.monotonic()
            return self._now

    def _make_step(self, painter: Painter, turn: Turn) -> Event:
        """Has one step made and recorded. Returns the event that says how it, or the run, ended."""
        job, kind = turn.job, "step"
        try:
            if turn.steps_made == 0:
                self._recorder.set_run(job, "running")
            if job.provisional:
                known, seed = self._recorder.settings(job)
                turn.job = job = replace(job, settings=known, session_seed=seed, provisional=False)
            for event in self._walk(painter, turn):
                if isinstance(event, StepStarted):
                    kind = turn.kind = event.kind
                if isinstance(event, StepFinished):
                    self._recorder.finish_step(job, event.step)
                if isinstance(event, Answered):
                    self._recorder.finish_answer(job, event)
                if not isinstance(
                    event, StepFailed | RunDone | RunCancelled | Answered
                ):  # those: _settle, once stored
                    self._record(self._recorder.publish, job, event)
            return event
        except Exception as error:
            return failure(kind, error)
        finally:
            turn.kind = None

    def _walk(self, painter: Painter, turn: Turn) -> Iterator[Event]:
        """The events of the turn's next step, or of its question."""
        job, name = turn.job, turn.job.settings.protocol
        shared: dict[str, Any] = {
            "pixels": self._recorder.pixels,
            "session_seed": job.session_seed,
            "attempt": job.attempt if turn.steps_made == 0 else 0,
            "cancel": turn.cancel,
        }
        protocol = painter.grammars.get(name)
        if protocol is None:
            raise GenerationError(
                f"This model doesn't know the way of working “{name}”. {SAFE}",
                "Choose another way of working in the settings, then continue.",
            )
        path = self._recorder.trajectory(job)
        if job.question:
            turn.kind = "answer"
            return answer(painter, protocol, path, job.question, job.settings, **shared)
        more, keep = job.more and turn.steps_made == 0, self._recorder.keep_image
        return advance(painter, protocol, path, job.settings, keep_image=keep, more=more, **shared)

    def _settle(self, turn: Turn, event: Event) -> None:
        """Puts the run back in the queue, or ends it, as its last event says."""
        if isinstance(event, StepFinished):
            turn.steps_made += 1
            seconds = time.monotonic() - turn.step_began
            turn.seconds += seconds
            end = after_step(
                event.step,
                replace(turn.job.settings, mode=turn.mode or turn.job.settings.mode),
                steps_made=turn.steps_made,
                seconds=turn.seconds,
                steps_limit=turn.job.steps_limit,
            )
            with self._changed:
                self._clock.measured(event.step.kind, seconds)
                if end is None and not turn.cancel.is_set():
                    self._now = None
                    self._queue.served(turn, again=True)
                    return
            event = end or RunCancelled()
        with self._changed:
            self._now = None
            self._queue.served(turn, again=False)
            closing = self._closing
        if isinstance(event, RunCancelled) and closing:
            self._lose(turn)
        elif isinstance(event, RunCancelled):
            self._end(turn, "cancelled", event)
        elif isinstance(event, RunPaused):
            self._end(turn, "paused", event, event.reason)
        elif isinstance(event, RunDone):
            self._end(turn, "done", event, event.reason)
        elif isinstance(event, Answered):
            self._end(turn, "done", event)
        else:
            self._end(turn, "failed", event, event.cause, event.next_action)

    def _lose(self, turn: Turn) -> None:
        cause = f"Restroke was closed before this run had ended. {SAFE}"
        self._record(self._recorder.set_run, turn.job, "lost", cause, "Continue from where it stopped.")

    def _end(self, turn: Turn, state: str, event: Event, cause: str = "", next_action: str = "") -> None:
        self._record(self._recorder.set_run, turn.job, state, cause, next_action)
        self._record(self._recorder.publish, turn.job, event)

    def _record(self, call: Callable[..., None], job: Job, *values: Any) -> None:
        """A run's end that can't be stored (a full disk) must not end the worker, nor a tale fail a step."""
        try:
            call(job, *values)
        except Exception as error:
            log.error("news of the run %s could not be recorded", job.run_id, exc_info=error)
