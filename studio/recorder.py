"""What the worker records to: the store first, then the live log of the session.

Runs on the worker's thread, and on a request's thread when a waiting run is stopped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from PIL.Image import Image

from engine.core.events import Answered, Event, Preview, StepFailed, StepFinished, StepStarted, TextDelta
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.protocols.history import MAX_PICTURES
from engine.serving.queue import Job
from engine.serving.worker import Worker
from sessions import NotFound, Store, StoreError
from studio.event_log import EVERYONE, EventLog
from studio.previews import Previews
from studio.question_recorder import QuestionRecorder
from studio.uploads import UPLOADED, fit_start
from studio.views import branch_view, queue_position_view, run_view, settings_of, step_view, worker_view


class StudioRecorder:
    """``engine.serving.worker.Recorder`` over the store; also holds what is being made at this moment."""

    def __init__(self, store: Store, log: EventLog, previews: Previews) -> None:
        self._store, self._log, self._previews = store, log, previews
        self._job: Job | None = None
        self._uploaded: str | None = None
        self._lock = threading.Lock()
        self._live: dict[str, dict[str, Any]] = {}
        self._frames = 0
        self.notes = QuestionRecorder(store, log)
        self.worker: Worker | None = None
        """Set once it exists: the worker needs this recorder first."""
        self.settled: Callable[[str, str], tuple[Settings, int]] | None = None
        """The settings and the seed of an owner's session, complete; the room sets it."""
        self._unwritten: dict[str, tuple[Job, dict[str, str]]] = {}
        self.reasons: dict[str, str] = {}
        """Why a run was stopped, when it was not the Stop button."""

    def settings(self, job: Job) -> tuple[Settings, int]:
        assert self.settled is not None, "jobs come from a room"
        return self.settled(job.owner, job.session_id)

    def trajectory(self, job: Job) -> list[Step]:
        self._job = job  # the pictures asked for next are this job's: one worker, one step at a time
        path = self._path(job)
        start = path[1] if len(path) > 1 and self._was_uploaded(job, path[1]) else None
        self._uploaded = start.image if start else None
        return path

    def _path(self, job: Job) -> list[Step]:
        if job.question:
            return self.notes.trajectory(job)
        branch = self._store.tree.branch(job.owner, job.session_id, job.branch_id)
        return self._store.tree.trajectory(job.owner, job.session_id, branch.tip)

    def _was_uploaded(self, job: Job, step: Step) -> bool:
        """Whether a step is a person's picture to start from, or what became of it under their brush."""
        try:
            while origin := step.recipe.get("edited_from"):
                step = self._store.tree.step(job.owner, job.session_id, str(origin))
        except NotFound:  # a session that was opened from a picture has only the steps to that picture
            return False
        return step.recipe.get("start") == UPLOADED

    def pixels(self, digest: str) -> Image:
        """A picture of the job's. One to start from may be older than the model's answer to its size."""
        assert self._job is not None, "pictures are read for a trajectory"
        picture = self._store.pictures.load(self._job.owner, self._job.session_id, digest)
        canvas = self.worker.snapshot().canvas if self.worker else None
        return fit_start(picture, canvas)[0] if canvas and digest == self._uploaded else picture

    def keep_image(self, image: Image) -> str:
        return self._store.pictures.put(image)

    def finish_step(self, job: Job, step: Step) -> None:
        self._store.tree.add_step(job.owner, job.session_id, step, job.branch_id)

    def finish_answer(self, job: Job, answered: Answered) -> None:
        self.notes.finish(job, answered)

    def set_run(self, job: Job, state: str, cause: str = "", next_action: str = "") -> None:
        if job.question:
            self.notes.set_state(job, state, cause, next_action)
            self._tell_places()
            return
        if state == "cancelled":
            cause = self.reasons.pop(job.run_id, cause)
        if state != "running":
            self._forget(job)
        self._tell_run(job, state, cause, next_action)
        self._tell_places()

    def publish(self, job: Job, event: Event) -> None:
        if job.question:
            self.notes.publish(job, event)
            return
        match event:
            case StepStarted():
                self._show(job, kind=event.kind, depth=event.depth, text="", index=0, total=0, preview=None)
                self._tell_places()
            case TextDelta():
                self._show(job, more_text=event.text)
            case Preview():
                self._preview(job, event)
            case StepFinished():
                self._finished(job, event.step)
            case StepFailed():
                self._tell_run(job, "failed", event.cause, event.next_action, event.raw)

    def tell_worker(self) -> None:
        """Tells every tab how the worker is: how much of its model is there, that it is ready, or why not."""
        if self.worker:
            working = worker_view(self.worker.snapshot())
            self._log.append(EVERYONE, "worker", key="worker", worker=working)

    def _tell_run(self, job: Job, state: str, cause: str, next_action: str, raw: str | None = None) -> None:
        """Writes a run's state down and tells the tabs, who must hear of an end even if the disk is full."""
        try:
            run = self._store.runs.set(job.owner, job.run_id, state, cause, next_action, raw=raw)
        except StoreError as error:
            self._unwritten[job.run_id] = (
                job,
                {"state": state, "cause": cause or str(error), "next_action": next_action},
            )
            logging.getLogger(__name__).exception("the state %s of run %s was not written", state, job.run_id)
            run = replace(
                self._store.runs.get(job.owner, job.run_id),
                state=state,
                cause=cause or str(error),
                next_action=next_action,
            )
        self._log.append(job.session_id, "run", run=run_view(run))

    def catch_up(self) -> None:
        """Writes the ends of runs that could not be written: else they would block their branches."""
        for run_id, (job, values) in list(self._unwritten.items()):
            with suppress(NotFound):  # its session is gone
                self._store.runs.set(job.owner, run_id, **values)
            self._unwritten.pop(run_id, None)

    def live(self, sid: str) -> dict[str, dict[str, Any]]:
        """What is being made in a session, by run."""
        with self._lock:
            return {run: dict(now) for run, now in self._live.items() if now["sid"] == sid}

    def _show(self, job: Job, more_text: str = "", **values: Any) -> None:
        with self._lock:
            now = self._live.setdefault(job.run_id, {"sid": job.session_id, "text": ""})
            now.update(values)
            now["text"] += more_text
            shown = dict(now)
        self._log.append(job.session_id, "live", key=f"live {job.run_id}", run=job.run_id, live=shown)

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._live.pop(job.run_id, None)
        self._log.drop(job.session_id, f"live {job.run_id}")

    def _preview(self, job: Job, event: Preview) -> None:
        values: dict[str, Any] = {"index": event.index, "total": event.total}
        if event.image is not None:
            self._frames += 1
            self._previews.put(job.session_id, job.run_id, self._frames, event.image)
            values["preview"] = f"studio/{job.session_id}/preview/{job.run_id}/{self._frames}"
        self._show(job, **values)

    def _finished(self, job: Job, step: Step) -> None:
        steps = self._store.tree.steps(job.owner, job.session_id)
        branch = self._store.tree.branch(job.owner, job.session_id, job.branch_id)
        self._forget(job)
        max_pictures = self.worker.snapshot().max_pictures if self.worker else MAX_PICTURES
        view = step_view(step, steps, max_pictures)
        settings, _ = settings_of(self._store.sessions.get(job.owner, job.session_id))
        branch_now = branch_view(branch, steps, settings)
        self._log.append(job.session_id, "step", run=job.run_id, step=view, branch=branch_now)
        self._log.append(f"owner:{job.owner}", "sessions", key="sessions")
        if self.worker:
            working = worker_view(self.worker.snapshot())
            self._log.append(f"owner:{job.owner}", "worker", key="worker", worker=working)

    def _tell_places(self) -> None:
        if not self.worker:
            return
        by_session: dict[str, list[dict[str, Any]]] = {}
        for place in self.worker.snapshot().runs:
            by_session.setdefault(place.session_id, []).append(queue_position_view(place))
        for sid, places in by_session.items():
            self._log.append(sid, "positions", key="positions", positions=places)
