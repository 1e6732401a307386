"""Rows of runs: what was asked for, how far it came, and why it ended. Nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session as Sql

from sessions.database import Database
from sessions.errors import InvalidInput
from sessions.records import OVER, RUN_STATES, Run
from sessions.rows import find_branch, find_session, new_id, next_number, not_found, now
from sessions.schema import RunRow, SessionRow
from sessions.store_base import StoreBase
from sessions.text import clean_settings, clean_text

LOST_CAUSE = "Restroke stopped while this was running."
LOST_NEXT = "Every finished step is saved. Continue from the last one."


class Runs(StoreBase):
    """Runs: ``store.runs``."""

    def create(self, owner: str, sid: str, branch_id: str, settings: Mapping[str, Any]) -> Run:
        """Adds a queued run. Call it before the work starts, so that a crash leaves a trace."""
        with self._db.transaction() as sql:
            find_session(sql, owner, sid)
            find_branch(sql, sid, branch_id)
            moment = now()
            row = RunRow(
                id=new_id(),
                session_id=sid,
                branch_id=branch_id,
                number=next_number(sql, RunRow, sid),
                state="queued",
                settings=clean_settings(settings),
                cause="",
                next_action="",
                raw="",
                created_at=moment,
                updated_at=moment,
            )
            sql.add(row)
            sql.flush()
            return row.record()

    def set(
        self,
        owner: str,
        run_id: str,
        state: str,
        cause: str = "",
        next_action: str = "",
        raw: str | None = None,
    ) -> Run:
        """Sets a run's state and gives the run as it is then.

        A run that is over keeps its first end: another state changes nothing (a "done" that comes
        after a "cancelled" is too late). The same state again may still fill in the texts; ``raw``
        is kept as it was when ``None``.
        """
        if state not in RUN_STATES:
            raise InvalidInput(f"There is no run state {state!r}; there are {', '.join(RUN_STATES)}.")
        with self._db.transaction() as sql:
            row = _find(sql, owner, run_id)
            if row.state == state or row.state not in OVER:
                row.state, row.updated_at = state, now()
                row.cause, row.next_action = clean_text(cause), clean_text(next_action)
                if raw is not None:
                    row.raw = clean_text(raw)
            return row.record()

    def get(self, owner: str, run_id: str) -> Run:
        with self._db.reading() as sql:
            return _find(sql, owner, run_id).record()

    def list(self, owner: str, sid: str) -> Sequence[Run]:
        """The session's runs, newest first."""
        with self._db.reading() as sql:
            find_session(sql, owner, sid)
            rows = select(RunRow).where(RunRow.session_id == sid).order_by(RunRow.number.desc())
            return [row.record() for row in sql.scalars(rows)]


def mark_lost(database: Database) -> int:
    """Marks the runs that a dead process left queued or running as lost; gives how many."""
    lost = (
        update(RunRow)
        .where(RunRow.state.in_(("queued", "running")))
        .values(state="lost", cause=LOST_CAUSE, next_action=LOST_NEXT, updated_at=now())
    )
    with database.transaction() as sql:
        return len(sql.execute(lost.returning(RunRow.id)).all())


def _find(sql: Sql, owner: str, run_id: str) -> RunRow:
    mine = select(RunRow).join(SessionRow, SessionRow.id == RunRow.session_id)
    row = sql.scalar(mine.where(RunRow.id == clean_text(run_id), SessionRow.owner == owner))
    if row is None:
        raise not_found("run")
    return row
