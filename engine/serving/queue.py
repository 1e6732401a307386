"""Which step is made next: a fair queue of jobs, step by step, and how long steps take.

Values and bookkeeping only. It isn't locked (:mod:`engine.serving.worker` does that) and starts nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.core.settings import Settings

WEIGHT_OF_NEWEST = 0.3


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What is asked of a worker, whatever it is.

    ``id`` names the stored run or note. ``attempt`` counts the wishes for a new seed and holds for the first
    step. A job with ``priority`` was just asked for by a person: its first step goes before other jobs.
    ``provisional``: it was asked for before the model was there, so its settings are read again when it
    begins.
    """

    id: str
    owner: str
    session_id: str
    settings: Settings
    session_seed: int
    attempt: int = 0
    priority: bool = False
    provisional: bool = False


@dataclass(frozen=True, kw_only=True)
class RunJob(_Job):
    """Steps at the end of a branch, until the protocol, a limit or the person ends them.

    ``more`` is the wish for one more round than the model would make; it holds for the first step.
    ``steps_limit`` pauses the run after so many steps.
    """

    branch_id: str
    more: bool = False
    steps_limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class QuestionJob(_Job):
    """A question about the picture of the step ``step_id``. Its answer changes no branch."""

    step_id: str
    question: str


Job = RunJob | QuestionJob


@dataclass(eq=False)
class QueueEntry:
    """A job in the queue and how far it has come: ``seconds`` are those of its own steps."""

    job: Job
    cancel: threading.Event = field(default_factory=threading.Event)
    steps_made: int = 0
    seconds: float = 0.0
    kind: str | None = None
    """The kind of the step under way, if one is."""
    step_began: float = 0.0
    mode: str | None = None
    """The mode, where it was changed since the job was asked for."""

    @property
    def has_priority(self) -> bool:
        return self.job.priority and self.steps_made == 0


class FairQueue:
    """Round-robin over sessions; within a session its jobs take turns too; priority goes first."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], deque[QueueEntry]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._sessions.values()))

    def add(self, entry: QueueEntry) -> None:
        self._sessions.setdefault(self._key(entry), deque()).append(entry)

    def remove(self, entry: QueueEntry) -> None:
        key = self._key(entry)
        self._sessions[key].remove(entry)
        if not self._sessions[key]:
            del self._sessions[key]

    def pop(self) -> QueueEntry:
        """Takes out the next entry. Call :meth:`served` when its step is made."""
        entry = self.order()[0]
        self.remove(entry)
        return entry

    def served(self, entry: QueueEntry, *, requeue: bool) -> None:
        """The entry has had its step: its session goes behind the others, and it stays if it goes on."""
        line = self._sessions.pop(self._key(entry), deque())
        if requeue:
            line.append(entry)
        if line:
            self._sessions[self._key(entry)] = line

    def order(self) -> list[QueueEntry]:
        """Every waiting entry in the order in which the next steps will be made, if none is added."""
        in_turn: list[QueueEntry] = []
        lines = [list(line) for line in self._sessions.values()]
        for at in range(max(map(len, lines), default=0)):
            in_turn += [line[at] for line in lines if at < len(line)]
        return [e for e in in_turn if e.has_priority] + [e for e in in_turn if not e.has_priority]

    @staticmethod
    def _key(entry: QueueEntry) -> tuple[str, str]:
        return entry.job.owner, entry.job.session_id


class StepClock:
    """Measured seconds per kind of step, the newest weighing most."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def measured(self, kind: str, seconds: float) -> None:
        old = self.seconds.get(kind, seconds)
        self.seconds[kind] = old + WEIGHT_OF_NEWEST * (seconds - old)

    def expected(self, kind: str | None = None) -> float | None:
        """Seconds of a step of this kind; of any step when the kind isn't measured; None before any is."""
        if kind in self.seconds:
            return self.seconds[kind]
        return sum(self.seconds.values()) / len(self.seconds) if self.seconds else None


@dataclass(frozen=True)
class QueuePosition:
    """Where a job stands.

    ``position`` is 0 while its step is being made, else its number in the queue, from 1.
    ``wait_seconds`` is until that step begins; ``step_seconds`` what this step still takes, or the next
    one will. Both are None until a step was measured.
    """

    job_id: str
    owner: str
    session_id: str
    position: int
    kind: str | None
    wait_seconds: float | None
    step_seconds: float | None


def queue_positions(
    now: QueueEntry | None, waiting: Sequence[QueueEntry], clock: StepClock
) -> tuple[QueuePosition, ...]:
    """Where everyone stands: the entry under way first, then the waiting ones in order."""
    found: list[QueuePosition] = []
    any_step, wait = clock.expected(), 0.0
    if now:
        left = clock.expected(now.kind)
        if left is not None:
            wait = left = max(0.0, left - (time.monotonic() - now.step_began))
        found.append(_position(now, 0, 0.0, left))
    for entry in waiting:
        unknown = any_step is None
        found.append(_position(entry, len(found) + (now is None), None if unknown else wait, any_step))
        wait += any_step or 0.0
    return tuple(found)


def _position(entry: QueueEntry, position: int, wait: float | None, step: float | None) -> QueuePosition:
    job = entry.job
    return QueuePosition(job.id, job.owner, job.session_id, position, entry.kind, wait, step)
