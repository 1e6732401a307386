"""Finds and inserts rows; what several parts of the store need.

Every function works on the SQL session that it is given; none begins
or ends a transaction.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Sql

from engine.core.trajectory import Step, path_to
from sessions.errors import InvalidInput, NotFound
from sessions.images import ImageFiles
from sessions.schema import BranchRow, NoteRow, RunRow, SessionRow, StepRow
from sessions.text import clean_settings, clean_step

_ID = re.compile(r"[0-9a-f]{1,64}\Z")


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    """Random, so that nobody finds somebody else's by counting."""
    return secrets.token_hex(16)


def not_found(what: str) -> NotFound:
    return NotFound(f"There is no such {what}. Nothing was changed. Open it again from the list.")


def find_session(sql: Sql, owner: str, sid: str, *, deleted: bool = False) -> SessionRow:
    """The session's row, if it is this owner's and not in the bin (or in it, with ``deleted``)."""
    row = sql.get(SessionRow, sid) if _ID.match(sid) else None
    if row is None or row.owner != owner or (row.deleted_at is not None) != deleted:
        raise not_found("session")
    return row


def find_step(sql: Sql, sid: str, step_id: str) -> StepRow:
    row = sql.get(StepRow, (sid, step_id)) if _ID.match(step_id) else None
    if row is None:
        raise not_found("step")
    return row


def find_branch(sql: Sql, sid: str, branch_id: str) -> BranchRow:
    row = sql.get(BranchRow, branch_id) if _ID.match(branch_id) else None
    if row is None or row.session_id != sid:
        raise not_found("branch")
    return row


def steps_of(sql: Sql, sid: str) -> dict[str, Step]:
    """Every step of the session by id, in the order they were made."""
    rows = sql.scalars(select(StepRow).where(StepRow.session_id == sid).order_by(StepRow.number))
    return {row.id: row.step() for row in rows}


def trajectory_to(sql: Sql, sid: str, tip: str) -> list[Step]:
    """The trajectory that ends at ``tip``. ``ValueError`` when a row of it is gone."""
    find_step(sql, sid, tip)
    try:
        return path_to(steps_of(sql, sid), tip)
    except KeyError as error:
        raise ValueError(f"the step {str(error.args[0])[:12]} is gone") from error


def insert_session(sql: Sql, owner: str, title: str, settings: Mapping[str, Any], seed: int) -> SessionRow:
    """A session without steps. Raises :class:`InvalidInput` for a seed outside [0, 2**63)."""
    if not 0 <= seed < 2**63:
        raise InvalidInput(f"The seed {seed} is out of range: use a whole number from 0 to 2^63 - 1.")
    moment = now()
    row = SessionRow(
        id=new_id(),
        owner=owner,
        title=title,
        settings=clean_settings(settings),
        seed=seed,
        created_at=moment,
        updated_at=moment,
    )
    sql.add(row)
    sql.flush()
    return row


def insert_trajectory(sql: Sql, images: ImageFiles, sid: str, trajectory: Sequence[Step]) -> None:
    """The trajectory's steps and the session's first branch, at its end."""
    for step in trajectory:
        insert_step(sql, images, sid, clean_step(step))
    insert_branch(sql, sid, trajectory[-1].id, None)


def insert_step(sql: Sql, images: ImageFiles, sid: str, step: Step) -> None:
    """Puts a cleaned step in unless it is there. Its parent and its picture must be."""
    if sql.get(StepRow, (sid, step.id)) is not None:
        return
    if step.parent is not None:
        find_step(sql, sid, step.parent)
    if step.image is not None and not images.has(step.image):
        raise InvalidInput("The step's picture isn't saved. Save the picture first, then add the step.")
    sql.add(
        StepRow(
            session_id=sid,
            id=step.id,
            number=next_number(sql, StepRow, sid),
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


def insert_branch(sql: Sql, sid: str, tip: str, name: str | None, forked_at: str | None = None) -> BranchRow:
    """A branch on an existing step. Without a name it gets the next default one."""
    number = next_number(sql, BranchRow, sid)
    moment = now()
    row = BranchRow(
        id=new_id(),
        session_id=sid,
        number=number,
        name=name or ("first idea" if number == 0 else f"idea {number + 1}"),
        tip=tip,
        forked_at=forked_at,
        created_at=moment,
        updated_at=moment,
    )
    sql.add(row)
    sql.flush()
    return row


def next_number(sql: Sql, table: type[StepRow | BranchRow | RunRow | NoteRow], sid: str) -> int:
    """The number of the next row among a session's; the writer's lock makes it unique."""
    newest = sql.scalar(select(func.max(table.number)).where(table.session_id == sid))
    return 0 if newest is None else newest + 1
