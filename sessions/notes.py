"""Notes beside a step: what a person asked about its picture and what the model answered.

A note isn't a step: it is in no trajectory, changes no hash and is never shown to the model again. It is
deleted with its session. Nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session as Sql

from sessions.database import Database
from sessions.errors import InvalidInput
from sessions.records import NOTE_STATES, OVER, Note
from sessions.rows import find_session, find_step, new_id, next_number, not_found, now
from sessions.schema import NoteRow, SessionRow
from sessions.store_base import StoreBase
from sessions.text import MAX_TEXT, clean_settings, clean_text

LOST_CAUSE = "Restroke stopped before this was answered."
LOST_NEXT = "Ask it again."


class Notes(StoreBase):
    """Notes: ``store.notes``."""

    def add(self, owner: str, sid: str, step_id: str, question: str) -> Note:
        """Adds a queued question about a step's picture. Call it first, so that a crash leaves a trace.

        Raises :class:`InvalidInput` for an empty or over-long question and a step without a picture.
        """
        question = clean_text(question).strip()
        if not question or len(question) > MAX_TEXT:
            raise InvalidInput(
                f"A question has between 1 and {MAX_TEXT:,} characters; this one has {len(question):,}. "
                "Nothing was changed. Write it again."
            )
        with self._db.transaction() as sql:
            session = find_session(sql, owner, sid)
            if find_step(sql, sid, step_id).image is None:
                raise InvalidInput("This card has no picture to ask about. Nothing was changed.")
            moment = now()
            row = NoteRow(
                id=new_id(),
                session_id=sid,
                step_id=step_id,
                number=next_number(sql, NoteRow, sid),
                question=question,
                answer="",
                state="queued",
                cause="",
                next_action="",
                recipe={},
                result={},
                created_at=moment,
                updated_at=moment,
            )
            sql.add(row)
            session.updated_at = moment
            sql.flush()
            return row.record()

    def set(
        self,
        owner: str,
        note_id: str,
        state: str,
        *,
        answer: str | None = None,
        cause: str = "",
        next_action: str = "",
        recipe: Mapping[str, Any] | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> Note:
        """Sets a note's state and gives it as it is then; one that is over keeps its first end."""
        if state not in NOTE_STATES:
            raise InvalidInput(f"There is no state {state!r} of a note; there are {', '.join(NOTE_STATES)}.")
        with self._db.transaction() as sql:
            row = _find(sql, owner, note_id)
            if row.state not in OVER:
                row.state, row.updated_at = state, now()
                row.cause, row.next_action = clean_text(cause), clean_text(next_action)
                if answer is not None:
                    row.answer = clean_text(answer)[:MAX_TEXT]
                if recipe is not None:
                    row.recipe = clean_settings(recipe)
                if result is not None:
                    row.result = clean_settings(result)
            return row.record()

    def get(self, owner: str, note_id: str) -> Note:
        with self._db.reading() as sql:
            return _find(sql, owner, note_id).record()

    def list(self, owner: str, sid: str) -> Sequence[Note]:
        """The session's notes, oldest first."""
        with self._db.reading() as sql:
            find_session(sql, owner, sid)
            rows = select(NoteRow).where(NoteRow.session_id == sid).order_by(NoteRow.number)
            return [row.record() for row in sql.scalars(rows)]

    def delete(self, owner: str, note_id: str) -> Note:
        """Deletes a note for good and gives what it was."""
        with self._db.transaction() as sql:
            row = _find(sql, owner, note_id)
            find_session(sql, owner, row.session_id)  # what is in the bin stays as it is
            record = row.record()
            sql.delete(row)
            return record


def mark_lost(database: Database) -> None:
    """Marks the questions that a dead process left unanswered as lost."""
    lost = (
        update(NoteRow)
        .where(NoteRow.state.not_in(OVER))
        .values(state="lost", cause=LOST_CAUSE, next_action=LOST_NEXT, updated_at=now())
    )
    with database.transaction() as sql:
        sql.execute(lost)


def _find(sql: Sql, owner: str, note_id: str) -> NoteRow:
    mine = select(NoteRow).join(SessionRow, SessionRow.id == NoteRow.session_id)
    row = sql.scalar(mine.where(NoteRow.id == clean_text(note_id), SessionRow.owner == owner))
    if row is None:
        raise not_found("note")
    return row
