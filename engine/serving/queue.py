"""Whose step is made next: a fair queue of runs at step granularity, and how long steps take.

Values and bookkeeping only; it is not locked (:mod:`engine.serving.worker` does that) and starts nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.core.settings import Settings

WEIGHT_OF_NEWEST = 0.3


@dataclass(frozen=True)
class Job:
    """One run asked of a worker.

    ``urgent`` marks an edit just made: its first step goes before other runs. ``attempt`` counts the
    wishes for a new seed and holds for the first step; so does ``more``, the wish for one more round than
    the model would make. ``provisional``: it was asked for before the model was there, so its settings are
    asked for again when it begins. ``steps_limit`` pauses the run after so many.
    With a ``question`` it is no run but asks about the picture of step ``about``; ``run_id`` names the note.
    """

    run_id: str
    owner: str
    session_id: str
    branch_id: str
    settings: Settings
    session_seed: int
    attempt: int = 0
    more: bool = False
    urgent: bool = False
    provisional: bool = False
    steps_limit: int | None = None
    question: str = ""
    about: str = ""


@dataclass(eq=False)
class Turn:
    """A job in the queue and how far it has come: ``seconds`` are those of its own steps."""

    job: Job
    cancel: threading.Event = field(default_factory=threading.Event)
    steps_made: int = 0
    seconds: float = 0.0
    kind: str | None = None
    """The kind of the step under way, if it is."""
    step_began: float = 0.0
    mode: str | None = None
    """A mode of going chosen since the run was asked for."""

    @property
    def hurries(self) -> bool:
        return self.job.urgent and self.steps_made == 0


class FairQueue:
    """Round-robin over sessions; within a session its runs take turns too; urgent first steps first."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], deque[Turn]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._sessions.values()))

    def add(self, turn: Turn) -> None:
        self._sessions.setdefault(self._key(turn), deque()).append(turn)

    def remove(self, turn: Turn) -> None:
        key = self._key(turn)
        self._sessions[key].remove(turn)
        if not self._sessions[key]:
            del self._sessions[key]

    def pop(self) -> Turn:
        """Takes out the next turn; ``served`` is to be called when its step is made."""
        turn = self.order()[0]
        self.remove(turn)
        return turn

    def served(self, turn: Turn, *, again: bool) -> None:
        """The turn has had its step: its session goes behind the others, and it itself if it goes on."""
        line = self._sessions.pop(self._key(turn), deque())
        if again:
            line.append(turn)
        if line:
            self._sessions[self._key(turn)] = line

    def order(self) -> list[Turn]:
        """Every waiting turn in the order in which the next steps will be made, if none is added."""
        rounds: list[Turn] = []
        lines = [list(line) for line in self._sessions.values()]
        for place in range(max(map(len, lines), default=0)):
            rounds += [line[place] for line in lines if place < len(line)]
        return [t for t in rounds if t.hurries] + [t for t in rounds if not t.hurries]

    @staticmethod
    def _key(turn: Turn) -> tuple[str, str]:
        return turn.job.owner, turn.job.session_id


class StepClock:
    """Measured seconds per kind of step, the newest weighing most."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def measured(self, kind: str, seconds: float) -> None:
        old = self.seconds.get(kind, seconds)
        self.seconds[kind] = old + WEIGHT_OF_NEWEST * (seconds - old)

    def expected(self, kind: str | None = None) -> float | None:
        """Seconds of a step of this kind; of any step when the kind is not measured; None before any is."""
        if kind in self.seconds:
            return self.seconds[kind]
        return sum(self.seconds.values()) / len(self.seconds) if self.seconds else None


@dataclass(frozen=True)
class QueuePosition:
    """Where a run stands.

    ``position`` is 0 while its step is being made, else its place in the line, from 1.
    ``wait_seconds`` is until that step begins; ``step_seconds`` what this step still takes, or the next
    one will. Both are None until a step was measured.
    """

    run_id: str
    owner: str
    session_id: str
    position: int
    kind: str | None
    wait_seconds: float | None
    step_seconds: float | None


def queue_positions(now: Turn | None, waiting: Sequence[Turn], clock: StepClock) -> tuple[QueuePosition, ...]:
    """Everyone's place: the turn under way first, then the waiting ones in order."""
    found: list[QueuePosition] = []
    any_step, wait = clock.expected(), 0.0
    if now:
        left = clock.expected(now.kind)
        if left is not None:
            wait = left = max(0.0, left - (time.monotonic() - now.step_began))
        found.append(_place(now, 0, 0.0, left))
    for turn in waiting:
        unknown = any_step is None
        found.append(_place(turn, len(found) + (now is None), None if unknown else wait, any_step))
        wait += any_step or 0.0
    return tuple(found)


def _place(turn: Turn, position: int, wait: float | None, step: float | None) -> QueuePosition:
    job = turn.job
    return QueuePosition(job.run_id, job.owner, job.session_id, position, turn.kind, wait, step)
