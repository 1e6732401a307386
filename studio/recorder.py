"""What the worker records to: the store first, then the event log of the session.

Runs on the worker's thread, and on a request's thread when a waiting job is stopped.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from PIL.Image import Image

from engine.core.events import Answered, Event, Preview, StepFailed, StepFinished, StepStarted, TextDelta
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.serving.queue import Job, QuestionJob, RunJob
from engine.serving.worker import Worker
from sessions import NotFound, Store, StoreError
from studio.announcements import Announcer
from studio.event_log import EventLog
from studio.pending_settings import SessionReader
from studio.previews import Previews
from studio.question_recorder import QuestionRecorder
from studio.uploads import UPLOADED, fit_start
from studio.views import View, next_round, settings_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Unwritten:
    """The end of a run that could not be written down."""

    owner: str
    state: str
    cause: str
    next_action: str


class StudioRecorder:
    """An :class:`engine.serving.contract.Recorder` over the store; also holds what is being made now."""

    def __init__(
        self,
        store: Store,
        event_log: EventLog,
        previews: Previews,
        worker: Worker,
        announcer: Announcer,
        sessions: SessionReader,
    ) -> None:
        self._store, self._log, self._previews = store, event_log, previews
        self._worker, self._announcer, self._sessions = worker, announcer, sessions
        self.questions = QuestionRecorder(store, event_log)
        self._lock = threading.Lock()
        self._live: dict[str, dict[str, Any]] = {}
        self._frames = 0
        self._unwritten: dict[str, _Unwritten] = {}
        self._stop_reasons: dict[str, str] = {}

    def worker_changed(self) -> None:
        self._announcer.worker()

    def settings(self, job: Job) -> tuple[Settings, int]:
        return settings_of(self._sessions.get(job.owner, job.session_id))

    def trajectory(self, job: Job) -> list[Step]:
        if isinstance(job, QuestionJob):
            return self.questions.trajectory(job)
        branch = self._store.tree.branch(job.owner, job.session_id, job.branch_id)
        return self._store.tree.trajectory(job.owner, job.session_id, branch.tip)

    def pixels(self, job: Job, digest: str) -> Image:
        """A picture of the job's, as the model is to be shown it.

        A person's picture to start from may be older than the model: it is fitted to the size at which this
        model sees it.
        """
        picture = self._store.pictures.load(job.owner, job.session_id, digest)
        model = self._worker.snapshot().model
        if model is None or picture.size[::-1] == model.image_sizes.fitting(picture.height, picture.width):
            return picture
        start = self._uploaded_start(job)
        is_start = start is not None and start.image == digest
        return fit_start(picture, model.image_sizes)[0] if is_start else picture

    def _uploaded_start(self, job: Job) -> Step | None:
        """The person's picture that the job's trajectory starts from, or what they made of it by painting."""
        path = self.trajectory(job)
        start = origin = path[1] if len(path) > 1 else None
        if start is None or origin is None or not start.is_start:
            return None
        try:
            while before := origin.recipe.get("edited_from"):
                origin = self._store.tree.step(job.owner, job.session_id, str(before))
        except NotFound:  # a session that was opened from a picture has only the steps to that picture
            return None
        return start if origin.recipe.get("start") == UPLOADED else None

    def store_image(self, image: Image) -> str:
        return self._store.pictures.put(image)

    def finish_step(self, run: RunJob, step: Step) -> None:
        self._store.tree.add_step(run.owner, run.session_id, step, run.branch_id)

    def set_run(self, run: RunJob, state: str, cause: str = "", next_action: str = "") -> None:
        if state != "running":
            self._forget(run)
        if state == "cancelled":
            with self._lock:
                cause = self._stop_reasons.pop(run.id, cause)
        self._tell_run(run, state, cause, next_action)
        self._announcer.positions()

    def publish(self, run: RunJob, event: Event) -> None:
        match event:
            case StepStarted():
                coming = next_round(self.trajectory(run), event.kind)
                begun: View = {"kind": event.kind, "depth": event.depth, "round": coming, "text": ""}
                self._show(run, **begun, index=0, total=0, preview=None)
                self._announcer.positions()
            case TextDelta():
                self._show(run, more_text=event.text)
            case Preview():
                self._preview(run, event)
            case StepFinished():
                self._forget(run)
                self._announcer.step(run.owner, run.session_id, run.branch_id, run.id, event.step)
                self._announcer.worker()
            case StepFailed():
                self._tell_run(run, "failed", event.cause, event.next_action, event.raw)

    def finish_answer(self, question: QuestionJob, answered: Answered) -> None:
        self.questions.finish(question, answered)

    def set_question(self, question: QuestionJob, state: str, cause: str = "", next_action: str = "") -> None:
        self.questions.set_state(question, state, cause, next_action)
        self._announcer.positions()

    def publish_answer(self, question: QuestionJob, event: Event) -> None:
        self.questions.publish(question, event)

    def stop(self, run_id: str, reason: str) -> None:
        """Stops a run that is here; ``reason`` becomes the cause of its end."""
        with self._lock:
            self._stop_reasons[run_id] = reason
        if not self._worker.cancel(run_id):
            with self._lock:
                self._stop_reasons.pop(run_id, None)

    def write_ends(self) -> None:
        """Writes the ends of runs that could not be written before: else they would block their branches."""
        with self._lock:
            unwritten = dict(self._unwritten)
        for run_id, end in unwritten.items():
            with suppress(NotFound):  # its session is gone
                self._store.runs.set(end.owner, run_id, end.state, end.cause, end.next_action)
            with self._lock:
                self._unwritten.pop(run_id, None)

    def live(self, sid: str) -> dict[str, dict[str, Any]]:
        """What is being made in a session, by run."""
        with self._lock:
            return {run: dict(now) for run, now in self._live.items() if now["sid"] == sid}

    def _tell_run(
        self, run: RunJob, state: str, cause: str, next_action: str, raw: str | None = None
    ) -> None:
        """Writes a run's state down and tells the tabs, who must hear of an end even if the disk is full."""
        try:
            stored = self._store.runs.set(run.owner, run.id, state, cause, next_action, raw=raw)
        except StoreError as error:
            log.exception("the state %s of run %s was not written", state, run.id)
            cause = cause or str(error)
            with self._lock:
                self._unwritten[run.id] = _Unwritten(run.owner, state, cause, next_action)
            stored = self._store.runs.get(run.owner, run.id)
            stored = replace(stored, state=state, cause=cause, next_action=next_action)
        self._announcer.run(run.session_id, stored)

    def _show(self, run: RunJob, more_text: str = "", **values: Any) -> None:
        with self._lock:
            now = self._live.setdefault(run.id, {"sid": run.session_id, "text": ""})
            now.update(values)
            now["text"] += more_text
            shown = dict(now)
        self._log.append(run.session_id, "live", key=f"live {run.id}", run=run.id, live=shown)

    def _forget(self, run: RunJob) -> None:
        with self._lock:
            self._live.pop(run.id, None)
        self._log.drop(run.session_id, f"live {run.id}")

    def _preview(self, run: RunJob, event: Preview) -> None:
        with self._lock:
            self._frames += 1
            frame = self._frames
        self._previews.put(run.session_id, run.id, frame, event.image)
        address = f"studio/{run.session_id}/preview/{run.id}/{frame}"
        self._show(run, index=event.index, total=event.total, preview=address)
