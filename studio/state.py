"""The parts of a running studio in one place, and the snapshots that a page begins with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from engine import protocols
from engine.checkpoints.progress import Loading
from engine.core.settings import Settings
from engine.serving.queue import Job
from engine.serving.worker import Worker
from sessions import Run, Session, Store, StoreError
from studio import pending_settings
from studio.auth import Tokens
from studio.event_log import EventLog
from studio.examples import EXAMPLES
from studio.previews import Previews
from studio.recorder import StudioRecorder
from studio.views import (
    branch_view,
    image_sizes_view,
    queue_position_view,
    run_view,
    settings_of,
    step_view,
    summary_view,
    worker_view,
)


@dataclass
class StudioState:
    """Store, worker, log and what else the commands and routes share."""

    store: Store
    worker: Worker
    log: EventLog
    recorder: StudioRecorder
    previews: Previews
    tokens: Tokens
    settings: Settings = field(default_factory=Settings)
    """What a new session begins with."""
    examples: tuple[str, ...] = EXAMPLES
    """Prompts that the first page offers to begin with."""
    hint: Callable[[str], str] | None = None
    """A gentle sentence about words the model doesn't know; None when nothing is known about its words."""
    loopback_only: bool = True
    settling: threading.RLock = field(default_factory=threading.RLock)
    """Held by whoever reads a session's settings to write them: the model may come at that moment."""

    @classmethod
    def open(
        cls,
        store: Store,
        open_painter: Callable[[], Any],
        loading: Loading | None = None,
        **more: Any,
    ) -> StudioState:
        """Wires the parts over an open store and starts the worker."""
        log, previews = EventLog(), Previews()
        recorder = StudioRecorder(store, log, previews)
        worker = Worker(open_painter, recorder, loading, recorder.tell_worker)
        recorder.worker = worker
        room = cls(store, worker, log, recorder, previews, Tokens.of(store.home), **more)
        recorder.settled = lambda owner, sid: settings_of(room.session(owner, sid))
        return room

    def session(self, owner: str, sid: str) -> Session:
        """A session. One begun before the model was there gets the rest of its settings once it is."""
        with self.settling:
            session, working = self.store.sessions.get(owner, sid), self.worker.snapshot()
            if working.state != "ready" or working.canvas is None or not pending_settings.waits(session):
                return session
            wish = pending_settings.filled(session.settings, self.settings, working.protocols, working.canvas)
            values = {**wish.as_dict(), "seed": settings_of(session)[1]}
            self.log.append(sid, "session", values={"settings": wish.as_dict()})
            try:
                return self.store.sessions.update_settings(owner, sid, values)
            except StoreError:  # a full disk: it opens all the same, and is filled in again next time
                return replace(session, settings=values)

    def start_run(self, owner: str, sid: str, branch_id: str, settings: Settings, **wishes: Any) -> None:
        """The run is a row before the worker hears of it. ``wishes``: as of :class:`Job`."""
        session = self.store.sessions.get(owner, sid)
        _, seed = settings_of(session)
        waits = pending_settings.waits(session)
        beside = {
            "after": self.store.tree.branch(owner, sid, branch_id).tip,
            "more": wishes.get("more", False),
            "attempt": wishes.get("attempt", 0),
        }
        run = self.store.runs.create(owner, sid, branch_id, ({} if waits else settings.as_dict()) | beside)
        self.tell_run(sid, run)
        self.worker.submit(Job(run.id, owner, sid, branch_id, settings, seed, provisional=waits, **wishes))

    def tell_run(self, sid: str, run: Run) -> None:
        self.log.append(sid, "run", run=run_view(run))

    def tell_owner(self, owner: str) -> None:
        """All of a person's tabs read their list of sessions again."""
        self.log.append(f"owner:{owner}", "sessions", key="sessions")

    @property
    def max_pictures(self) -> int:
        """How many pictures the model is shown at once."""
        return self.worker.snapshot().max_pictures

    def about(self) -> dict[str, Any]:
        """What the studio offers; much of it is the model's, so it is known only once that is there."""
        return {
            "examples": list(self.examples),
            "settings": self.settings.as_dict(),
            "protocols": [
                {
                    "name": p.name,
                    "title": p.title,
                    "sentence": p.sentence,
                    "reflects": p.name == "irg",
                    "rounds": p.name == "process",
                    "starts_from_picture": True,
                }
                for p in map(protocols.get, self.worker.snapshot().protocols)
            ],
            "hints": self.hint is not None,
            "own_computer": self.loopback_only,
            "image_sizes": image_sizes_view(self.worker.snapshot().canvas),
            "answers": self.worker.snapshot().answers,
            "max_pictures": self.max_pictures,
        }

    def summaries(self, owner: str, search: str = "") -> list[dict[str, Any]]:
        return [summary_view(summary) for summary in self.store.sessions.list(owner, search)]

    def home_snapshot(self, owner: str) -> dict[str, Any]:
        seq = self.log.seq
        return {
            "seq": seq,
            "sid": None,
            "about": self.about(),
            "sessions": self.summaries(owner),
            "worker": worker_view(self.worker.snapshot()),
        }

    def session_snapshot(self, owner: str, sid: str) -> dict[str, Any]:
        """Everything of a session. Raises ``NotFound``."""
        seq = self.log.seq  # first: better told twice than never
        session = self.session(owner, sid)
        settings, seed = settings_of(session)
        steps, branches = self.store.tree.steps(owner, sid), self.store.tree.branches(owner, sid)
        runs = self.store.runs.list(owner, sid)
        working = self.worker.snapshot()
        newest = max(branches, key=lambda branch: (branch.updated_at, branch.created_at))
        return {
            "seq": seq,
            "sid": sid,
            "about": self.about(),
            "title": session.title,
            "seed": seed,
            "settings": settings.as_dict(),
            "steps": [step_view(step, steps, working.max_pictures) for step in steps.values()],
            "branches": [branch_view(branch, steps, settings) for branch in branches],
            "branch": newest.id,
            "runs": [run_view(run) for run in reversed(runs)],
            "live": self.recorder.live(sid),
            "notes": [self.recorder.notes.view(note) for note in self.store.notes.list(owner, sid)],
            "positions": [
                queue_position_view(place)
                for place in working.runs
                if (place.owner, place.session_id) == (owner, sid)
            ],
            "sessions": self.summaries(owner),
            "worker": worker_view(working),
        }
