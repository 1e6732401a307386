"""What becomes of a question about a picture: the worker tells its note, and the note the tabs.

The worker tells of a question as it tells of a run; here that goes to the note instead. An answer under way
is only in the log, the whole one is in the store before any tab hears that it is there.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any

from engine.core.events import Answered, Event, StepFailed, TextDelta
from engine.core.trajectory import Step
from engine.serving.queue import Job
from sessions import Note, Store, StoreError
from studio.event_log import EventLog
from studio.views import note_view

log = logging.getLogger(__name__)


class QuestionRecorder:
    """What the recorder does for a job with a question."""

    def __init__(self, store: Store, live_log: EventLog) -> None:
        self._store, self._log = store, live_log
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}

    def trajectory(self, job: Job) -> list[Step]:
        return self._store.tree.trajectory(job.owner, job.session_id, job.about)

    def finish(self, job: Job, answered: Answered) -> None:
        self._store.notes.set(
            job.owner,
            job.run_id,
            "done",
            answer=answered.text,
            recipe=answered.recipe,
            result=answered.result,
        )

    def set_state(self, job: Job, state: str, cause: str, next_action: str) -> None:
        """Writes the state down (``done`` stands already) and tells the tabs."""
        if state != "running":
            with self._lock:
                self._said.pop(job.run_id, None)
        try:
            note = self._store.notes.set(job.owner, job.run_id, state, cause=cause, next_action=next_action)
        except StoreError as error:
            log.exception("the state %s of note %s was not written", state, job.run_id)
            known = self._store.notes.get(job.owner, job.run_id)
            note = replace(known, state=state, cause=cause or str(error), next_action=next_action)
        self.tell(note)

    def publish(self, job: Job, event: Event) -> None:
        if isinstance(event, StepFailed):
            return  # its cause is in the state already
        if isinstance(event, TextDelta):
            with self._lock:
                self._said[job.run_id] = self._said.get(job.run_id, "") + event.text
            self.tell(self._store.notes.get(job.owner, job.run_id))

    def tell(self, note: Note) -> None:
        self._log.append(note.session_id, "note", key=f"note {note.id}", note=self.view(note))

    def view(self, note: Note) -> dict[str, Any]:
        """A note as a tab sees it, with as much of its answer as there is."""
        with self._lock:
            said = self._said.get(note.id, "")
        return note_view(note, said)
