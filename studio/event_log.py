"""The event log: what happened, in order, for every open tab to follow.

Append-only and in memory; the database is the truth and a tab that is too far behind reads a
snapshot again. Numbers begin at the milliseconds since 1970, so they keep growing over a restart.
Of events with the same key (previews, streaming text, queue positions) only the newest is kept.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]

EVERYONE = "everyone"
"""The channel of what concerns all tabs of everybody."""


@dataclass
class _Channel:
    events: OrderedDict[int, Event] = field(default_factory=OrderedDict)
    newest: dict[str, int] = field(default_factory=dict)
    forgotten: int = 0
    """The newest number that is no longer here and was not replaced by a newer event of its key."""


class EventLog:
    """Thread-safe. A channel is a session's id, or ``owner:…`` for what concerns all of a person's tabs."""

    def __init__(self, start: int | None = None, keep: int = 1000) -> None:
        self._seq = self._start = int(time.time() * 1000) if start is None else start
        self._keep = keep
        self._channels: dict[str, _Channel] = {}
        self._lock = threading.Lock()
        self.closed = False
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def seq(self) -> int:
        """The newest number. Take it before reading what a snapshot is made of."""
        with self._lock:
            return self._seq

    def append(self, channel: str, kind: str, key: str | None = None, **values: Any) -> int:
        """Adds an event and wakes every follower. ``key``: it replaces the earlier event of that key."""
        with self._lock:
            self._seq += 1
            here = self._channels.setdefault(channel, _Channel())
            if key is not None:
                here.events.pop(here.newest.get(key, -1), None)
                here.newest[key] = self._seq
            here.events[self._seq] = {"seq": self._seq, "kind": kind, **values}
            while len(here.events) > self._keep:
                here.forgotten, _ = here.events.popitem(last=False)
            seq, waiting = self._seq, list(self._waiting)
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)
        return seq

    def drop(self, channel: str, key: str) -> None:
        """Takes back the newest event of a key, once it is out of date."""
        with self._lock:
            here = self._channels.get(channel)
            if here:
                here.events.pop(here.newest.pop(key, -1), None)

    def after(self, channels: Iterable[str], seq: int) -> list[Event]:
        """What came after ``seq``, in order; a single ``resync`` when that is no longer known."""
        with self._lock:
            found = [self._channels[name] for name in channels if name in self._channels]
            if seq < self._start or seq > self._seq or any(seq < here.forgotten for here in found):
                return [{"seq": self._seq, "kind": "resync"}]
            fresh = [event for here in found for number, event in here.events.items() if number > seq]
        return sorted(fresh, key=lambda event: event["seq"])

    def close(self) -> None:
        """Ends every follower's stream, so that the server can stop."""
        with self._lock:
            self.closed, waiting = True, list(self._waiting)
        for loop, event in waiting:
            loop.call_soon_threadsafe(event.set)

    def follow(self) -> _Follower:
        """For a stream: ``async with log.follow() as changed`` gives an event that is set by every append."""
        return _Follower(self)


class _Follower:
    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def __aenter__(self) -> asyncio.Event:
        self._me = (asyncio.get_running_loop(), asyncio.Event())
        with self._log._lock:
            self._log._waiting.add(self._me)
        return self._me[1]

    async def __aexit__(self, *_: object) -> None:
        with self._log._lock:
            self._log._waiting.discard(self._me)
