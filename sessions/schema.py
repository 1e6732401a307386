"""The tables. ``migrations/`` makes them; a test checks that the two agree.

Steps are keyed by (session, hash), so a duplicated session has rows of its own and deleting one
never looks at another. Children are never stored: they are derived from ``parent``. The
migrations make every table STRICT, so SQLite itself refuses a value of another type.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from engine.core.trajectory import Step, canonical_json
from sessions.records import Branch, Note, Run, Session


class CanonicalJSON(TypeDecorator[dict[str, Any]]):
    """A JSON object, written in the one form that hashes are taken of."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return canonical_json(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> dict[str, Any]:
        """Raises ``ValueError`` for a damaged row, as :meth:`StepRow.step` does."""
        try:
            found = json.loads(value)
        except RecursionError as error:
            raise ValueError("a row is nested too deeply") from error
        if not isinstance(found, dict):
            raise ValueError("a row holds something else than a JSON object")
        return found


class UtcTime(TypeDecorator[datetime]):
    """A moment as ISO 8601 in UTC to the microsecond: of one length, so that it sorts as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Raises ``ValueError`` for a damaged row."""
        return None if value is None else datetime.fromisoformat(str(value)).astimezone(UTC)


class Base(DeclarativeBase):
    type_annotation_map = {str: Text, dict[str, Any]: CanonicalJSON, datetime: UtcTime}  # noqa: RUF012


class SessionRow(Base):
    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    title: Mapped[str]
    settings: Mapped[dict[str, Any]]
    seed: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (Index("sessions_of_owner", "owner", "updated_at"),)

    def record(self) -> Session:
        return Session(self.id, self.title, self.settings, self.seed, self.created_at, self.updated_at)


class StepRow(Base):
    __tablename__ = "steps"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
    parent: Mapped[str | None]
    kind: Mapped[str]
    author: Mapped[str]
    fields: Mapped[dict[str, Any]]
    image: Mapped[str | None]
    recipe: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["session_id", "parent"], ["steps.session_id", "steps.id"]),
        Index("steps_in_order", "session_id", "number", unique=True),
        Index("steps_by_image", "image"),
    )

    def step(self) -> Step:
        """The step, its hash derived again: a row that was changed is never handed out."""
        step = Step(self.parent, self.kind, self.author, self.fields, self.image, self.recipe, self.result)
        if step.id != self.id:
            raise ValueError(f"the step {self.id[:12]} was changed")
        return step


class BranchRow(Base):
    __tablename__ = "branches"

    id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    name: Mapped[str]
    tip: Mapped[str]
    # Always NULL: no version has written it. SQLite drops no column that is a foreign key.
    forked_from: Mapped[str | None] = mapped_column(ForeignKey("branches.id", ondelete="SET NULL"))
    forked_at: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["session_id", "tip"], ["steps.session_id", "steps.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["session_id", "forked_at"], ["steps.session_id", "steps.id"]),
    )

    def record(self) -> Branch:
        return Branch(
            self.id,
            self.name,
            self.tip,
            self.forked_at,
            self.created_at,
            self.updated_at,
        )


class RunRow(Base):
    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    branch_id: Mapped[str] = mapped_column(ForeignKey("branches.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(index=True)
    settings: Mapped[dict[str, Any]]
    cause: Mapped[str]
    next_action: Mapped[str]
    raw: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    def record(self) -> Run:
        return Run(
            self.id,
            self.session_id,
            self.branch_id,
            self.state,
            self.settings,
            self.cause,
            self.next_action,
            self.raw,
            self.created_at,
            self.updated_at,
        )


class NoteRow(Base):
    __tablename__ = "notes"

    id: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    step_id: Mapped[str]
    number: Mapped[int]
    question: Mapped[str]
    answer: Mapped[str]
    state: Mapped[str]
    cause: Mapped[str]
    next_action: Mapped[str]
    recipe: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(["session_id", "step_id"], ["steps.session_id", "steps.id"], ondelete="CASCADE"),
        Index("notes_in_order", "session_id", "number", unique=True),
    )

    def record(self) -> Note:
        return Note(
            self.id,
            self.session_id,
            self.step_id,
            self.question,
            self.answer,
            self.state,
            self.cause,
            self.next_action,
            self.recipe,
            self.result,
            self.created_at,
            self.updated_at,
        )
