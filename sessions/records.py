"""What the store hands out: plain frozen values, safe to pass between threads.

They are copies; changing the settings dict of one changes nothing in the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

RUN_STATES = ("queued", "running", "paused", "done", "failed", "cancelled", "lost")
OVER = frozenset({"done", "failed", "cancelled", "lost"})
NOTE_STATES = ("queued", "running", "done", "failed", "cancelled", "lost")


@dataclass(frozen=True)
class Session:
    """One piece of work. Ask ``store.tree`` for its steps and branches."""

    id: str
    title: str
    settings: dict[str, Any]
    seed: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Summary:
    """A line of the session list. ``thumbnail`` is the digest of the newest picture, if any."""

    id: str
    title: str
    updated_at: datetime
    branch_count: int
    thumbnail: str | None


@dataclass(frozen=True)
class Branch:
    """A named pointer to a step.

    ``forked_at`` is the last step that it shares with the branch it left; ``None`` for a first branch.
    """

    id: str
    name: str
    tip: str
    forked_at: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Run:
    """One request to extend a branch. ``raw`` is the text a failed step had written."""

    id: str
    session_id: str
    branch_id: str
    state: str
    settings: dict[str, Any]
    cause: str
    next_action: str
    raw: str
    created_at: datetime
    updated_at: datetime

    @property
    def is_over(self) -> bool:
        """It came to an end; continuing takes a new run. (A paused run waits for the person.)"""
        return self.state in OVER


@dataclass(frozen=True)
class Note:
    """A question about a step's picture. ``answer`` is empty until the state is ``done``."""

    id: str
    session_id: str
    step_id: str
    question: str
    answer: str
    state: str
    cause: str
    next_action: str
    recipe: dict[str, Any]
    result: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    @property
    def is_over(self) -> bool:
        return self.state in OVER
