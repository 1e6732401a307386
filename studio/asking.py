"""Questions about a picture: how they reach the worker, and how what becomes of them reaches the tabs.

The worker tells of a question as it tells of a run; here that goes to the note instead. An answer under way
is only in the log, the whole one is in the store before any tab hears that it is there.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from engine.events import Answered, Event, StepFailed, TextDelta
from engine.serving.queue import Job
from engine.trajectory import Step
from sessions import Note, Store, StoreError
from studio.checks import RefusedError, checked_text
from studio.live import LiveLog
from studio.views import note_view, settings_of

if TYPE_CHECKING:
    from studio.room import Room

log = logging.getLogger(__name__)

LONGEST_QUESTION = 600


class NoteDesk:
    """What the recorder does for a job with a question."""

    def __init__(self, store: Store, live_log: LiveLog) -> None:
        self._store, self._log = store, live_log
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}

    def trajectory(self, job: Job) -> list[Step]:
        return self._store.trajectory(job.owner, job.session_id, job.about)

    def finish(self, job: Job, answered: Answered) -> None:
        self._store.set_note(
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
            note = self._store.set_note(job.owner, job.run_id, state, cause=cause, next_action=next_action)
        except StoreError:
            log.exception("the state %s of note %s was not written", state, job.run_id)
            return
        self.tell(note)

    def publish(self, job: Job, event: Event) -> None:
        if isinstance(event, StepFailed):
            return  # its cause is in the state already
        if isinstance(event, TextDelta):
            with self._lock:
                self._said[job.run_id] = self._said.get(job.run_id, "") + event.text
            self.tell(self._store.note(job.owner, job.run_id))

    def tell(self, note: Note) -> None:
        self._log.append(note.session_id, "note", key=f"note {note.id}", note=self.view(note))

    def view(self, note: Note) -> dict[str, Any]:
        """A note as a tab sees it, with as much of its answer as there is."""
        with self._lock:
            said = self._said.get(note.id, "")
        return note_view(note, said)


def ask(room: Room, owner: str, *, sid: str, step: str, question: str) -> dict:
    """Asks the model about a card's picture. The answer stays beside the card and changes nothing."""
    words = checked_text(question, "question").strip()
    if not words:
        raise RefusedError("There is no question yet. Write what you want to know about this picture.")
    if len(words) > LONGEST_QUESTION:
        raise RefusedError(
            f"The question has {len(words):,} signs; at most {LONGEST_QUESTION} fit. Shorten it; nothing was "
            "lost."
        )
    settings, seed = settings_of(room.store.session(owner, sid))
    earlier = sum(note.step_id == step for note in room.store.notes(owner, sid))
    note = room.store.add_note(owner, sid, step, words)
    room.recorder.notes.tell(note)
    room.worker.submit(
        Job(note.id, owner, sid, "", settings, seed, attempt=earlier, urgent=True, question=words, about=step)
    )
    return {"note": note.id}


def stop_note(room: Room, owner: str, *, sid: str, note: str) -> dict:
    """Stops a question that is not answered yet."""
    found = room.store.note(owner, note)
    if not room.worker.cancel(found.id) and not found.is_over:
        room.recorder.notes.tell(room.store.set_note(owner, found.id, "cancelled"))
    return {}


def delete_note(room: Room, owner: str, *, sid: str, note: str) -> dict:
    """Takes a question and its answer away."""
    room.worker.cancel(room.store.note(owner, note).id)
    gone = room.store.delete_note(owner, note)
    room.log.append(gone.session_id, "note", key=f"note {gone.id}", note={"id": gone.id, "state": "deleted"})
    return {}
