"""The tree of one session: its immutable steps, and its branches, the only thing that moves."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session as Sql

from engine.core.trajectory import Step
from sessions.errors import Conflict
from sessions.records import Branch
from sessions.rows import (
    find_branch,
    find_session,
    find_step,
    insert_branch,
    insert_step,
    now,
    steps_of,
    trajectory_to,
)
from sessions.schema import BranchRow
from sessions.store_base import StoreBase
from sessions.text import clean_step, name_from


class Tree(StoreBase):
    """Steps and branches: ``store.tree``."""

    def steps(self, owner: str, sid: str) -> dict[str, Step]:
        """Every step of the session by id, in the order they were made."""
        with self._db.reading() as sql:
            find_session(sql, owner, sid)
            return steps_of(sql, sid)

    def step(self, owner: str, sid: str, step_id: str) -> Step:
        with self._db.reading() as sql:
            find_session(sql, owner, sid)
            return find_step(sql, sid, step_id).step()

    def trajectory(self, owner: str, sid: str, tip: str) -> list[Step]:
        """The path from the root to ``tip``."""
        with self._db.reading() as sql:
            find_session(sql, owner, sid)
            return trajectory_to(sql, sid, tip)

    def branches(self, owner: str, sid: str) -> list[Branch]:
        """The session's branches, oldest first."""
        with self._db.reading() as sql:
            find_session(sql, owner, sid)
            rows = select(BranchRow).where(BranchRow.session_id == sid).order_by(BranchRow.number)
            return [row.record() for row in sql.scalars(rows)]

    def branch(self, owner: str, sid: str, branch_id: str) -> Branch:
        with self._db.reading() as sql:
            find_session(sql, owner, sid)
            return find_branch(sql, sid, branch_id).record()

    def add_step(self, owner: str, sid: str, step: Step, branch_id: str) -> Step:
        """Adds a step under the branch's tip and moves the branch onto it, both or neither.

        Gives the step as saved: its texts cleaned, so its id may be another. Adding the branch's tip
        once more changes nothing. Raises :class:`Conflict` when the tip is neither the step nor its
        parent: the branch has moved since the caller looked.
        """
        step = clean_step(step)
        with self._db.transaction() as sql:
            session = find_session(sql, owner, sid)
            branch = find_branch(sql, sid, branch_id)
            if branch.tip != step.id:
                if branch.tip != step.parent:
                    raise Conflict(
                        f"“{branch.name}” has moved on, so this {step.kind} no longer follows its last step. "
                        "Nothing was overwritten. Look at the branch as it is now, or save yours as a new "
                        "branch."
                    )
                insert_step(sql, self._images, sid, step)
                branch.tip = step.id
                branch.updated_at = session.updated_at = now()
        if step.image and not self._db.in_transaction:  # else it isn't certain yet
            self._fresh.discard(step.image)
        return step

    def fork(self, owner: str, sid: str, step: Step, *, name: str | None = None) -> Branch:
        """An edit: adds a step anywhere in the tree and a new branch on it, both or neither.

        Its parent is any step of the session; a rewritten prompt has none. No other branch moves.
        """
        step = clean_step(step)
        with self._db.transaction() as sql:
            session = find_session(sql, owner, sid)
            insert_step(sql, self._images, sid, step)
            session.updated_at = now()
            branch = _new_branch(sql, sid, step.id, name, step.parent)
        if step.image and not self._db.in_transaction:
            self._fresh.discard(step.image)
        return branch

    def create_branch(self, owner: str, sid: str, tip: str, name: str | None = None) -> Branch:
        """A new branch on an existing step. Default names count up: "idea 2", "idea 3", …"""
        with self._db.transaction() as sql:
            session = find_session(sql, owner, sid)
            find_step(sql, sid, tip)
            session.updated_at = now()
            return _new_branch(sql, sid, tip, name, tip)

    def rename_branch(self, owner: str, sid: str, branch_id: str, name: str) -> Branch:
        with self._db.transaction() as sql:
            session = find_session(sql, owner, sid)
            branch = find_branch(sql, sid, branch_id)
            branch.name = name_from(name, "branch's name")
            branch.updated_at = session.updated_at = now()
            return branch.record()


def _new_branch(sql: Sql, sid: str, tip: str, name: str | None, forked_at: str | None) -> Branch:
    if name is not None:
        name = name_from(name, "branch's name")
    return insert_branch(sql, sid, tip, name, forked_at).record()
