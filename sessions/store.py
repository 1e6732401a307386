"""The memory as one object: opens a home, brings it up to date, and answers every call on it.

The calls are in five parts, one idea each: :mod:`~sessions.session_list` (whole sessions),
:mod:`~sessions.tree` (steps and branches), :mod:`~sessions.pictures`, :mod:`~sessions.runs` and
:mod:`~sessions.notes`.
Each call takes the owner first; what is somebody else's reads as not found. Calls are synchronous
and safe from any thread.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from sessions import migrations
from sessions.database import Database
from sessions.errors import plainly
from sessions.home import DATABASE, HomeLock, default_home
from sessions.images import ImageFiles
from sessions.notes import Notes
from sessions.pictures import Pictures
from sessions.runs import Runs
from sessions.tree import Tree


class Store(Tree, Pictures, Runs, Notes):
    """An open home. Make one with :meth:`open`; one process at a time may have it."""

    def __init__(self, home: Path, lock: HomeLock) -> None:
        self.home = home
        self._lock = lock
        self._db = Database(home / DATABASE)
        self._images = ImageFiles(home)
        self._fresh = set()
        self.lost_at_open = self._mark_lost()
        self._mark_notes_lost()
        self._images.clear_parts()

    @classmethod
    def open(cls, home: Path | str | None = None) -> Self:
        """Opens a home (:func:`~sessions.home.default_home` if none is named), making it if needed.

        Migrates an older database after backing it up, and marks the runs of a dead process as
        lost (``lost_at_open`` counts them).
        Raises :class:`HomeInUse`, :class:`NotWritable`, :class:`DiskFull`, :class:`NewerDatabase`,
        :class:`DamagedDatabase`, each before it changed anything.
        """
        home = default_home() if home is None else Path(home).expanduser().absolute()
        with plainly(home):
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = HomeLock(home)
        try:
            migrations.upgrade(home)
            return cls(home, lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Ends everything; twice is fine."""
        self._db.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
