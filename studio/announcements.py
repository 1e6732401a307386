"""Announcements to all tabs: what changed, read from the store and put into the event log."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from engine.core.trajectory import Step
from engine.protocols.history import MAX_PICTURES
from engine.serving.worker import Worker
from sessions import Run, Store
from studio.event_log import EVERYONE, EventLog
from studio.views import (
    View,
    branch_view,
    queue_position_view,
    run_view,
    settings_of,
    step_view,
    worker_view,
)


class Announcer:
    """Tells every tab what changed in the store or in the worker.

    A branch is read and announced under one lock: of two announcements the later one has the newer state.
    """

    def __init__(self, store: Store, log: EventLog, worker: Worker) -> None:
        self._store, self._log, self._worker = store, log, worker
        self._in_order = threading.Lock()

    def branch(self, owner: str, sid: str, branch_id: str, new_steps: Sequence[str] = ()) -> list[View]:
        """Announces a branch with those of its steps that tabs don't know yet.

        Returns the announcement for the reply to the tab that asked, so that it needn't wait for the log.
        It has its number there: a reply that comes after later news must not set the branch back.
        """
        with self._in_order:
            steps, branch = self._branch(owner, sid, branch_id)
            event: View = {"branch": branch, "steps": [self._step(steps[name], steps) for name in new_steps]}
            seq = self._log.append(sid, "branch", **event)
        self.session_list(owner)
        return [{"seq": seq, "kind": "branch", **event}]

    def step(self, owner: str, sid: str, branch_id: str, run_id: str, step: Step) -> None:
        """Announces a step that a run has added to its branch."""
        with self._in_order:
            steps, branch = self._branch(owner, sid, branch_id)
            self._log.append(sid, "step", run=run_id, step=self._step(step, steps), branch=branch)
        self.session_list(owner)

    def settings(self, owner: str, sid: str) -> None:
        """Announces a session's settings, and its branches: what may come next on them follows from those."""
        with self._in_order:
            session = self._store.sessions.get(owner, sid)
            settings, seed = settings_of(session)
            self._log.append(sid, "session", values={"settings": settings.as_dict(), "seed": seed})
            steps = self._store.tree.steps(owner, sid)
            for branch in self._store.tree.branches(owner, sid):
                view = branch_view(branch, steps, settings)
                self._log.append(sid, "branch", branch=view, steps=[])

    def title(self, owner: str, sid: str, title: str) -> None:
        """Announces the new title of a session."""
        self._log.append(sid, "session", values={"title": title})
        self.session_list(owner)

    def run(self, sid: str, run: Run) -> None:
        """Announces the state of a run."""
        self._log.append(sid, "run", run=run_view(run))

    def session_list(self, owner: str) -> None:
        """Has all of a person's tabs read their list of sessions again."""
        self._log.append(f"owner:{owner}", "sessions", key="sessions")

    def worker(self) -> None:
        """Announces how much of the model is there, that it is ready, or why it isn't, and its pace."""
        self._log.append(EVERYONE, "worker", key="worker", worker=worker_view(self._worker.snapshot()))

    def positions(self) -> None:
        """Announces to every session with waiting jobs where these stand."""
        by_session: dict[str, list[dict[str, Any]]] = {}
        for position in self._worker.snapshot().positions:
            by_session.setdefault(position.session_id, []).append(queue_position_view(position))
        for sid, positions in by_session.items():
            self._log.append(sid, "positions", key="positions", positions=positions)

    def _branch(self, owner: str, sid: str, branch_id: str) -> tuple[dict[str, Step], View]:
        """The session's steps, and a branch as tabs see it. The branch first: its tip must be among them."""
        branch = self._store.tree.branch(owner, sid, branch_id)
        steps = self._store.tree.steps(owner, sid)
        settings, _ = settings_of(self._store.sessions.get(owner, sid))
        return steps, branch_view(branch, steps, settings)

    def _step(self, step: Step, steps: dict[str, Step]) -> View:
        model = self._worker.snapshot().model
        return step_view(step, steps, model.max_pictures if model else MAX_PICTURES)
