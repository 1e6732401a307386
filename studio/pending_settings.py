"""Settings of sessions that are begun while the model is still being opened.

What a model recommends is known only once it is there. Until then such a session keeps what the person chose
and a mark, so that the rest can be filled in later, after a restart too.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.core.settings import Settings
from engine.runs.opened_model import OpenedModel
from engine.serving.worker import Worker
from sessions import Session, Store, StoreError
from studio.announcements import Announcer
from studio.views import settings_of

PENDING = "waits_for_model"


def is_pending(session: Session) -> bool:
    """Whether a session's settings are not all known yet."""
    return bool(session.settings.get(PENDING))


def mark_pending(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What a session keeps until the model is there."""
    return {**chosen, PENDING: True}


def complete_settings(kept: Mapping[str, Any], model: OpenedModel) -> Settings:
    """The choices of :func:`mark_pending` with the model's own settings for the rest.

    A protocol or a size that this model doesn't have was chosen for another one, and gives way.
    """
    usual = model.settings
    values = usual.as_dict()
    try:
        settings = Settings.from_dict({**values, **{name: kept[name] for name in kept if name in values}})
    except (TypeError, ValueError):  # choices that fit one by one and not with this model's settings
        return usual
    if settings.protocol not in model.protocols:
        settings = settings.replace(protocol=usual.protocol)
    if model.image_sizes.is_fixed:
        settings = settings.replace(height=usual.height, width=usual.width)
    return settings


class SessionReader:
    """Reads sessions, and completes the settings of those that waited for the model.

    ``lock`` is held by whoever reads a session's settings to write them: the model may come at that moment.
    """

    def __init__(self, store: Store, worker: Worker, announcer: Announcer) -> None:
        self._store, self._worker, self._announcer = store, worker, announcer
        self.lock = threading.RLock()

    def get(self, owner: str, sid: str) -> Session:
        """A session, with all its settings once the model is there. Raises ``NotFound``."""
        with self.lock:
            session, model = self._store.sessions.get(owner, sid), self._worker.snapshot().model
            if model is None or not is_pending(session):
                return session
            values = {**complete_settings(session.settings, model).as_dict(), "seed": settings_of(session)[1]}
            try:
                session = self._store.sessions.update_settings(owner, sid, values)
            except StoreError:  # a full disk: it opens all the same, and is filled in again next time
                return replace(session, settings=values)
            self._announcer.settings(owner, sid)
            return session
