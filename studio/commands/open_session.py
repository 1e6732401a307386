"""A session as one command finds it: read once, so that all of the command goes by the same settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.core.settings import Settings
from engine.core.trajectory import Step
from sessions import Branch, Session, Store
from studio.state import StudioState
from studio.text_diff import branch_name
from studio.views import View, settings_of


@dataclass(frozen=True)
class OpenSession:
    """A person's session in the studio."""

    state: StudioState
    owner: str
    session: Session

    @classmethod
    def read(cls, state: StudioState, owner: str, sid: str) -> OpenSession:
        """Raises ``NotFound`` when there is no such session of this owner."""
        return cls(state, owner, state.session(owner, sid))

    @property
    def sid(self) -> str:
        return self.session.id

    @property
    def store(self) -> Store:
        return self.state.store

    @cached_property
    def settings(self) -> Settings:
        return settings_of(self.session)[0]

    @property
    def seed(self) -> int:
        """The seed for what is drawn from now on."""
        return settings_of(self.session)[1]

    def step(self, step_id: str) -> Step:
        """Raises ``NotFound``."""
        return self.store.tree.step(self.owner, self.sid, step_id)

    def steps(self) -> dict[str, Step]:
        return self.store.tree.steps(self.owner, self.sid)

    def path(self, tip: str | None) -> list[Step]:
        """The trajectory to a step; empty without one."""
        return self.store.tree.trajectory(self.owner, self.sid, tip) if tip else []

    def branch(self, branch_id: str) -> Branch:
        """Raises ``NotFound``."""
        return self.store.tree.branch(self.owner, self.sid, branch_id)

    def branches(self) -> list[Branch]:
        return self.store.tree.branches(self.owner, self.sid)

    def free_name(self, wanted: str) -> str:
        """A name for a new branch that none has yet."""
        return branch_name((branch.name for branch in self.branches()), wanted)

    def announce(self, branch: Branch, new_steps: Sequence[str] = ()) -> list[View]:
        """Tells all tabs of a branch; see :meth:`studio.announcements.Announcer.branch`."""
        return self.state.announcer.branch(self.owner, self.sid, branch.id, new_steps)
