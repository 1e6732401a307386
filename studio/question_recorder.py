"""What the worker records of questions: the note first, then the event log.

An answer under way is only in the log; the whole one is in the store before any tab hears that it is there.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from engine.core.events import Answered, Event, TextDelta
from engine.core.trajectory import Step
from engine.serving.queue import QuestionJob
from sessions import Note, Store, StoreError
from studio.event_log import EventLog
from studio.views import View, note_view

log = logging.getLogger(__name__)


class QuestionRecorder:
    """The part of :class:`~studio.recorder.StudioRecorder` for questions; also holds answers under way."""

    def __init__(self, store: Store, event_log: EventLog) -> None:
        self._store, self._log = store, event_log
        self._lock = threading.Lock()
        self._written: dict[str, str] = {}

    def trajectory(self, question: QuestionJob) -> list[Step]:
        """The steps up to the picture that is asked about."""
        return self._store.tree.trajectory(question.owner, question.session_id, question.step_id)

    def finish(self, question: QuestionJob, answered: Answered) -> None:
        """Stores the answer."""
        self._store.notes.set(
            question.owner,
            question.id,
            "done",
            answer=answered.text,
            recipe=answered.recipe,
            result=answered.result,
        )

    def set_state(self, question: QuestionJob, state: str, cause: str, next_action: str) -> None:
        """Stores the state (``done`` stands already) and tells the tabs, even if the disk is full."""
        if state != "running":
            with self._lock:
                self._written.pop(question.id, None)
        try:
            note = self._store.notes.set(
                question.owner, question.id, state, cause=cause, next_action=next_action
            )
        except StoreError as error:
            log.exception("the state %s of note %s was not written", state, question.id)
            known = self._store.notes.get(question.owner, question.id)
            note = replace(known, state=state, cause=cause or str(error), next_action=next_action)
        self.announce(note)

    def publish(self, question: QuestionJob, event: Event) -> None:
        """Announces what there is of the answer; a failure's cause is in the state already."""
        if isinstance(event, TextDelta):
            with self._lock:
                self._written[question.id] = self._written.get(question.id, "") + event.text
            self.announce(self._store.notes.get(question.owner, question.id))

    def announce(self, note: Note) -> None:
        """Tells the tabs of a note."""
        self._log.append(note.session_id, "note", key=f"note {note.id}", note=self.view(note))

    def announce_deleted(self, note: Note) -> None:
        """Tells the tabs that a note is gone."""
        gone = {"id": note.id, "state": "deleted"}
        self._log.append(note.session_id, "note", key=f"note {note.id}", note=gone)

    def view(self, note: Note) -> View:
        """A note as a tab sees it, with as much of its answer as there is."""
        with self._lock:
            written = self._written.get(note.id, "")
        return note_view(note, written)
