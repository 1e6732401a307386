"""What the parts of the store share: one open home."""

from __future__ import annotations

from dataclasses import dataclass, field

from sessions.database import Database
from sessions.images import ImageFiles


@dataclass(frozen=True)
class OpenHome:
    """A home that is open: its database and its picture files.

    ``fresh`` holds the digests of pictures that were kept a moment ago and whose step isn't in yet; a sweep
    spares them.
    """

    database: Database
    images: ImageFiles
    fresh: set[str] = field(default_factory=set)


class StoreBase:
    """A part of the :class:`~sessions.store.Store`. It keeps nothing of its own."""

    def __init__(self, home: OpenHome) -> None:
        self._db = home.database
        self._images = home.images
        self._fresh = home.fresh
