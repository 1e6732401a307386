"""The commands of questions about a picture: ask one, stop an answer, take both away."""

from __future__ import annotations

from typing import Annotated, Any

from engine.serving.queue import QuestionJob
from studio import pending_settings
from studio.commands.messages import Id, InSession, RefusedError, text
from studio.commands.open_session import OpenSession
from studio.state import StudioState

LONGEST_QUESTION = 600


class Ask(InSession):
    """Asks the model about a card's picture. The answer stays beside the card and changes nothing."""

    step: Id
    question: Annotated[str, text("question", LONGEST_QUESTION)]


def ask(state: StudioState, owner: str, message: Ask) -> dict[str, Any]:
    question = message.question.strip()
    if not question:
        raise RefusedError("There is no question yet. Write what you want to know about this picture.")
    here = OpenSession.read(state, owner, message.sid)
    earlier = sum(note.step_id == message.step for note in state.store.notes.list(owner, here.sid))
    note = state.store.notes.add(owner, here.sid, message.step, question)
    state.recorder.questions.announce(note)
    state.worker.submit(
        QuestionJob(
            id=note.id,
            owner=owner,
            session_id=here.sid,
            settings=here.settings,
            session_seed=here.seed,
            attempt=earlier,
            priority=True,
            provisional=pending_settings.is_pending(here.session),
            step_id=message.step,
            question=question,
        )
    )
    return {"note": note.id}


class StopNote(InSession):
    """Stops a question that is not answered yet."""

    note: Id


def stop_note(state: StudioState, owner: str, message: StopNote) -> dict[str, Any]:
    found = state.store.notes.get(owner, message.note)
    if not state.worker.cancel(found.id) and not found.is_over:
        state.recorder.questions.announce(state.store.notes.set(owner, found.id, "cancelled"))
    return {}


class DeleteNote(InSession):
    """Takes a question and its answer away."""

    note: Id


def delete_note(state: StudioState, owner: str, message: DeleteNote) -> dict[str, Any]:
    state.worker.cancel(state.store.notes.get(owner, message.note).id)
    state.recorder.questions.announce_deleted(state.store.notes.delete(owner, message.note))
    return {}
