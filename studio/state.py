"""The parts of a running studio in one place, and the snapshots that a page begins with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.checkpoints.progress import LoadProgress
from engine.core.settings import Settings
from engine.protocols.history import MAX_PICTURES
from engine.runs.opened_model import OpenedModel
from engine.serving.worker import Worker
from sessions import Session, Store
from studio.announcements import Announcer
from studio.auth import Tokens
from studio.event_log import EventLog
from studio.examples import examples_of
from studio.hints import unknown_words_hint
from studio.pending_settings import SessionReader
from studio.previews import Previews
from studio.recorder import StudioRecorder
from studio.views import (
    View,
    branch_view,
    image_sizes_view,
    protocol_view,
    queue_position_view,
    run_view,
    settings_of,
    step_view,
    summary_view,
    worker_view,
)


@dataclass(frozen=True)
class StudioState:
    """What the commands and routes share: the store, the worker, the event log, and their links."""

    store: Store
    worker: Worker
    log: EventLog
    announcer: Announcer
    sessions: SessionReader
    recorder: StudioRecorder
    previews: Previews
    tokens: Tokens
    loopback_only: bool
    """Whether only this computer reaches the studio, so that its one person may stop the model's loading."""

    @classmethod
    def open(
        cls,
        store: Store,
        open_model: Callable[[], OpenedModel],
        loading: LoadProgress | None = None,
        *,
        loopback_only: bool = True,
    ) -> StudioState:
        """Builds everything over an open store and starts the worker, which opens the model.

        Raises ``OSError`` when the store's home can't be written.
        """
        log, previews, tokens = EventLog(), Previews(), Tokens.of(store.home)
        worker = Worker(open_model, loading)
        announcer = Announcer(store, log, worker)
        sessions = SessionReader(store, worker, announcer)
        recorder = StudioRecorder(store, log, previews, worker, announcer, sessions)
        worker.start(recorder)
        return cls(store, worker, log, announcer, sessions, recorder, previews, tokens, loopback_only)

    @property
    def model(self) -> OpenedModel | None:
        """The model, once it is open."""
        return self.worker.snapshot().model

    @property
    def settings(self) -> Settings:
        """What a new session begins with: the model's own, once it is open."""
        model = self.model
        return model.settings if model else Settings()

    def session(self, owner: str, sid: str) -> Session:
        """A session, with all its settings once the model is open. Raises ``NotFound``."""
        return self.sessions.get(owner, sid)

    def hint(self, text: str) -> str:
        """A sentence about words of a prompt that the model doesn't know, or ""."""
        model = self.model
        return unknown_words_hint(model.vocabulary, text) if model else ""

    def about(self) -> View:
        """What the studio offers; much of it is the model's, so it is known only once that is open."""
        model = self.model
        return {
            "examples": list(examples_of(model.folder if model else None)),
            "settings": self.settings.as_dict(),
            "protocols": [protocol_view(name) for name in model.protocols] if model else [],
            "hints": model is not None and model.vocabulary is not None,
            "own_computer": self.loopback_only,
            "image_sizes": image_sizes_view(model.image_sizes if model else None),
            "answers": model is not None and model.answers,
            "max_pictures": model.max_pictures if model else MAX_PICTURES,
        }

    def summaries(self, owner: str, search: str = "") -> list[View]:
        """The list of a person's sessions, those that mention ``search``."""
        return [summary_view(summary) for summary in self.store.sessions.list(owner, search)]

    def home_snapshot(self, owner: str) -> View:
        """Everything that the first page shows."""
        seq = self.log.seq
        return {
            "seq": seq,
            "sid": None,
            "about": self.about(),
            "sessions": self.summaries(owner),
            "worker": worker_view(self.worker.snapshot()),
        }

    def session_snapshot(self, owner: str, sid: str) -> View:
        """Everything of a session. Raises ``NotFound``."""
        seq = self.log.seq  # first: better told twice than never
        session = self.session(owner, sid)
        settings, seed = settings_of(session)
        # Branches first: each tip must be among the steps.
        branches, steps = self.store.tree.branches(owner, sid), self.store.tree.steps(owner, sid)
        runs = self.store.runs.list(owner, sid)
        working = self.worker.snapshot()
        max_pictures = working.model.max_pictures if working.model else MAX_PICTURES
        newest = max(branches, key=lambda branch: (branch.updated_at, branch.created_at))
        return {
            "seq": seq,
            "sid": sid,
            "about": self.about(),
            "title": session.title,
            "seed": seed,
            "settings": settings.as_dict(),
            "steps": [step_view(step, steps, max_pictures) for step in steps.values()],
            "branches": [branch_view(branch, steps, settings) for branch in branches],
            "branch": newest.id,
            "runs": [run_view(run) for run in reversed(runs)],
            "live": self.recorder.live(sid),
            "notes": [self.recorder.questions.view(note) for note in self.store.notes.list(owner, sid)],
            "positions": self._positions(owner, sid),
            "sessions": self.summaries(owner),
            "worker": worker_view(working),
        }

    def _positions(self, owner: str, sid: str) -> list[dict[str, Any]]:
        found = self.worker.snapshot().positions
        return [queue_position_view(p) for p in found if (p.owner, p.session_id) == (owner, sid)]
