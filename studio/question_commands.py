"""The commands of questions about a picture: to ask, to stop an answer, to take both away."""

from __future__ import annotations

from engine.serving.queue import Job
from studio import pending_settings
from studio.state import StudioState
from studio.validation import RefusedError, checked_text
from studio.views import settings_of

LONGEST_QUESTION = 600


def ask(room: StudioState, owner: str, *, sid: str, step: str, question: str) -> dict:
    """Asks the model about a card's picture. The answer stays beside the card and changes nothing."""
    words = checked_text(question, "question").strip()
    if not words:
        raise RefusedError("There is no question yet. Write what you want to know about this picture.")
    if len(words) > LONGEST_QUESTION:
        raise RefusedError(
            f"The question has {len(words):,} characters; at most {LONGEST_QUESTION} fit. Shorten it; "
            "nothing was lost."
        )
    session = room.store.sessions.get(owner, sid)
    settings, seed = settings_of(session)
    waits = pending_settings.waits(session)
    earlier = sum(note.step_id == step for note in room.store.notes.list(owner, sid))
    note = room.store.notes.add(owner, sid, step, words)
    room.recorder.notes.tell(note)
    room.worker.submit(
        Job(
            note.id,
            owner,
            sid,
            "",
            settings,
            seed,
            attempt=earlier,
            urgent=True,
            provisional=waits,
            question=words,
            about=step,
        )
    )
    return {"note": note.id}


def stop_note(room: StudioState, owner: str, *, sid: str, note: str) -> dict:
    """Stops a question that is not answered yet."""
    found = room.store.notes.get(owner, note)
    if not room.worker.cancel(found.id) and not found.is_over:
        room.recorder.notes.tell(room.store.notes.set(owner, found.id, "cancelled"))
    return {}


def delete_note(room: StudioState, owner: str, *, sid: str, note: str) -> dict:
    """Takes a question and its answer away."""
    room.worker.cancel(room.store.notes.get(owner, note).id)
    gone = room.store.notes.delete(owner, note)
    room.log.append(gone.session_id, "note", key=f"note {gone.id}", note={"id": gone.id, "state": "deleted"})
    return {}
