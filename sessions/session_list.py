"""Whole sessions: create, list, search, rename, duplicate, delete and restore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, join, literal, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from engine.core.trajectory import Step
from sessions.errors import InvalidInput
from sessions.records import Session, Summary
from sessions.rows import find_session, insert_branch, insert_session, insert_trajectory, new_id, now
from sessions.schema import BranchRow, NoteRow, SessionRow, StepRow
from sessions.store_base import StoreBase
from sessions.text import MAX_TITLE, clean_settings, clean_text, name_from, title_from

_MOST_WORDS = 12


class SessionList(StoreBase):
    """Whole sessions: ``store.sessions``."""

    def create(self, owner: str, prompt: str, settings: Mapping[str, Any], seed: int) -> Session:
        """A new session with its prompt as root step and one branch on it, titled by its prompt.

        Raises :class:`InvalidInput` for an empty or over-long prompt and a seed outside [0, 2**63).
        """
        prompt = clean_text(prompt)
        if not prompt.strip():
            raise InvalidInput("The prompt is empty. Write what the picture should show, then start.")
        root = Step(None, "prompt", "person", {"text": prompt}, recipe={"session_seed": seed})
        with self._db.transaction() as sql:
            row = insert_session(sql, owner, title_from(prompt), settings, seed)
            insert_trajectory(sql, self._images, row.id, [root])
            return row.record()

    def list(self, owner: str, search: str = "", *, deleted: bool = False) -> Sequence[Summary]:
        """The owner's sessions, newest first; with ``deleted`` those in the bin.

        ``search``: each of its words (12 at most) must occur in the title or in some step's text,
        whatever the case.
        """
        query = (
            select(
                SessionRow.id,
                SessionRow.title,
                SessionRow.updated_at,
                _branch_count(),
                _newest_picture(),
            )
            .where(SessionRow.owner == owner, SessionRow.deleted_at.is_not(None) == deleted)
            .where(*map(_mentions, clean_text(search).casefold().split()[:_MOST_WORDS]))
            .order_by(SessionRow.updated_at.desc(), SessionRow.id)
        )
        with self._db.reading() as sql:
            return [Summary(*row) for row in sql.execute(query)]

    def get(self, owner: str, sid: str) -> Session:
        with self._db.reading() as sql:
            return find_session(sql, owner, sid).record()

    def rename(self, owner: str, sid: str, title: str) -> Session:
        with self._db.transaction() as sql:
            row = find_session(sql, owner, sid)
            row.title, row.updated_at = name_from(title, "title"), now()
            return row.record()

    def update_settings(self, owner: str, sid: str, settings: Mapping[str, Any]) -> Session:
        """Replaces the settings that the session's next runs start from."""
        with self._db.transaction() as sql:
            row = find_session(sql, owner, sid)
            row.settings, row.updated_at = clean_settings(settings), now()
            return row.record()

    def duplicate(self, owner: str, sid: str) -> Session:
        """A second session with the same steps, branches, answers, settings and seed, but without runs."""
        with self._db.transaction() as sql:
            old = find_session(sql, owner, sid)
            title = f"{old.title[: MAX_TITLE - 7]} (copy)"
            new = insert_session(sql, owner, title, old.settings, old.seed)
            columns = [column for column in StepRow.__table__.columns if column.name != "session_id"]
            copied = select(literal(new.id), *columns).where(StepRow.session_id == sid)
            sql.execute(insert(StepRow).from_select(["session_id", *[c.name for c in columns]], copied))
            branches = select(BranchRow).where(BranchRow.session_id == sid).order_by(BranchRow.number)
            for branch in sql.scalars(branches).all():
                insert_branch(sql, new.id, branch.tip, branch.name, branch.forked_at)
            notes = select(NoteRow).where(NoteRow.session_id == sid, NoteRow.state == "done")
            for note in sql.scalars(notes.order_by(NoteRow.number)).all():
                values = {column.name: getattr(note, column.name) for column in NoteRow.__table__.columns}
                sql.add(NoteRow(**{**values, "id": new_id(), "session_id": new.id}))
            return new.record()

    def delete(self, owner: str, sid: str) -> None:
        """Moves a session to the bin, hidden until :meth:`restore`. Stop its runs first."""
        with self._db.transaction() as sql:
            find_session(sql, owner, sid).deleted_at = now()

    def restore(self, owner: str, sid: str) -> Session:
        """Takes a session out of the bin, as it was."""
        with self._db.transaction() as sql:
            row = find_session(sql, owner, sid, deleted=True)
            row.deleted_at = None
            return row.record()

    def purge_deleted(self, owner: str, *, deleted_before: datetime | None = None) -> int:
        """Deletes what is in the owner's bin (since before that moment) and gives how many sessions.

        Rows first, then the pictures that no step of anyone refers to, so that a crash between the
        two leaves spare files and never a step without its picture. Not possible inside a transaction.
        """
        if self._db.in_transaction:
            raise RuntimeError("deleted pictures can't be brought back when a transaction is undone")
        doomed = [SessionRow.owner == owner, SessionRow.deleted_at.is_not(None)]
        if deleted_before is not None:
            doomed.append(SessionRow.deleted_at < deleted_before)
        with self._db.turn:
            with self._db.transaction() as sql:
                gone = len(sql.execute(delete(SessionRow).where(*doomed).returning(SessionRow.id)).all())
            if gone:
                with self._db.reading() as sql:
                    wanted = set(sql.scalars(select(StepRow.image).distinct()))
                self._images.sweep(lambda digest: digest in wanted or digest in self._fresh)
        return gone


def _branch_count() -> ColumnElement[int]:
    count = select(func.count()).select_from(BranchRow).where(BranchRow.session_id == SessionRow.id)
    return count.correlate(SessionRow).scalar_subquery()


def _newest_picture() -> ColumnElement[str | None]:
    pictures = select(StepRow.image).where(StepRow.session_id == SessionRow.id, StepRow.image.is_not(None))
    return pictures.order_by(StepRow.number.desc()).limit(1).correlate(SessionRow).scalar_subquery()


def _mentions(word: str) -> ColumnElement[bool]:
    """The word occurs in the title or in a text of a step. (``instr``: nothing in it is a wildcard.)"""
    text = func.json_each(StepRow.fields).table_valued("value")
    in_a_step = (
        exists()
        .select_from(join(StepRow, text, true()))
        .where(StepRow.session_id == SessionRow.id, _contains(text.c.value, word))
        .correlate(SessionRow)
    )
    return or_(_contains(SessionRow.title, word), in_a_step)


def _contains(text: ColumnElement[str] | InstrumentedAttribute[str], word: str) -> ColumnElement[bool]:
    return func.instr(func.casefold(text), word) > 0
