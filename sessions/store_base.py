"""What every part of the store's surface needs: the open home, and the check of whose a thing is."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from engine.core.trajectory import Step, path_to
from sessions.database import Database
from sessions.errors import InvalidInput, NotFound
from sessions.images import ImageFiles
from sessions.schema import BranchRow, SessionRow, StepRow

_ID = re.compile(r"[0-9a-f]{1,64}\Z")


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    """Random, so that nobody finds somebody else's by counting."""
    return secrets.token_hex(16)


def not_found(what: str) -> NotFound:
    return NotFound(f"There is no such {what}. Nothing was changed. Open it again from the list.")


class StoreBase:
    """Holds the open home; the parts of :class:`~sessions.store.Store` build on it."""

    _db: Database
    _images: ImageFiles
    _fresh: set[str]  # pictures kept a moment ago whose step isn't in yet; a sweep spares them

    def _session(self, sql: Sql, owner: str, sid: str, *, deleted: bool = False) -> SessionRow:
        """The session's row, if it is this owner's and not in the bin (or in it, with ``deleted``)."""
        row = sql.get(SessionRow, sid) if _ID.match(sid) else None
        if row is None or row.owner != owner or (row.deleted_at is not None) != deleted:
            raise not_found("session")
        return row

    def _step(self, sql: Sql, sid: str, step_id: str) -> StepRow:
        row = sql.get(StepRow, (sid, step_id)) if _ID.match(step_id) else None
        if row is None:
            raise not_found("step")
        return row

    def _branch(self, sql: Sql, sid: str, branch_id: str) -> BranchRow:
        row = sql.get(BranchRow, branch_id) if _ID.match(branch_id) else None
        if row is None or row.session_id != sid:
            raise not_found("branch")
        return row

    def _insert_step(self, sql: Sql, sid: str, step: Step) -> None:
        """Puts a cleaned step in unless it is there. Its parent and its picture must be."""
        if sql.get(StepRow, (sid, step.id)) is not None:
            return
        if step.parent is not None:
            self._step(sql, sid, step.parent)
        if step.image is not None and not self._has_picture(step.image):
            raise InvalidInput("The step's picture isn't kept. Keep the picture first, then add the step.")
        sql.add(
            StepRow(
                session_id=sid,
                id=step.id,
                number=self._next_number(sql, StepRow, sid),
                parent=step.parent,
                kind=step.kind,
                author=step.author,
                fields=dict(step.fields),
                image=step.image,
                recipe=dict(step.recipe),
                result=dict(step.result),
                created_at=now(),
            )
        )
        sql.flush()

    def _insert_branch(
        self,
        sql: Sql,
        sid: str,
        tip: str,
        name: str | None,
        forked_from: str | None = None,
        forked_at: str | None = None,
    ) -> BranchRow:
        number = self._next_number(sql, BranchRow, sid)
        row = BranchRow(
            id=new_id(),
            session_id=sid,
            number=number,
            name=name or ("first idea" if number == 0 else f"idea {number + 1}"),
            tip=tip,
            forked_from=forked_from,
            forked_at=forked_at,
            created_at=now(),
            updated_at=now(),
        )
        sql.add(row)
        sql.flush()
        return row

    @staticmethod
    def _next_number(sql: Sql, table: type, sid: str) -> int:
        """The place of the next row among a session's; the writer's lock makes it unique."""
        newest = sql.scalar(select(func.max(table.number)).where(table.session_id == sid))
        return 0 if newest is None else newest + 1

    def _has_picture(self, digest: str) -> bool:
        try:
            return self._images.path(digest).is_file()
        except ValueError:
            return False

    def _steps(self, sql: Sql, sid: str) -> Mapping[str, Step]:
        rows = sql.scalars(select(StepRow).where(StepRow.session_id == sid).order_by(StepRow.number))
        return {row.id: row.step() for row in rows}

    def _path(self, sql: Sql, sid: str, tip: str) -> list[Step]:
        """The trajectory that ends at ``tip``. ``ValueError`` when a row of it is gone."""
        self._step(sql, sid, tip)
        try:
            return path_to(self._steps(sql, sid), tip)
        except KeyError as error:
            raise ValueError(f"the step {str(error.args[0])[:12]} is gone") from error
