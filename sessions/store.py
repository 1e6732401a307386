"""The store as one object: opens a home, brings it up to date, and holds the parts that answer.

Five parts, one idea each:

=============  ==============================================  =============================
``sessions``   whole sessions                                  :mod:`sessions.session_list`
``tree``       steps and branches                              :mod:`sessions.tree`
``pictures``   pictures, and sessions as PNG files             :mod:`sessions.pictures`
``runs``       what was asked for and how far it came          :mod:`sessions.runs`
``notes``      questions about a picture and their answers     :mod:`sessions.notes`
=============  ==============================================  =============================

Each call takes the owner first; what is somebody else's reads as not found. Calls are synchronous
and safe from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sessions import migrations, notes, runs
from sessions.database import Database
from sessions.errors import translated_errors
from sessions.home import DATABASE, HomeLock, default_home
from sessions.images import ImageFiles
from sessions.notes import Notes
from sessions.pictures import Pictures
from sessions.runs import Runs
from sessions.session_list import SessionList
from sessions.store_base import OpenHome
from sessions.tree import Tree


class Store:
    """An open home. Make one with :meth:`open`; one process at a time may have it."""

    def __init__(self, home: Path, lock: HomeLock) -> None:
        self.home = home
        self._lock = lock
        self._db = Database(home / DATABASE)
        images = ImageFiles(home)
        shared = OpenHome(self._db, images)
        self.sessions = SessionList(shared)
        self.tree = Tree(shared)
        self.pictures = Pictures(shared)
        self.runs = Runs(shared)
        self.notes = Notes(shared)
        self.lost_at_open = runs.mark_lost(self._db)
        notes.mark_lost(self._db)
        images.clear_parts()

    @classmethod
    def open(cls, home: Path | str | None = None) -> Self:
        """Opens a home (:func:`~sessions.home.default_home` if none is named), making it if needed.

        Migrates an older database after backing it up, and marks the runs of a dead process as
        lost (``lost_at_open`` counts them).
        Raises :class:`HomeInUse`, :class:`NotWritable`, :class:`DiskFull`, :class:`NewerDatabase`,
        :class:`DamagedDatabase`, each before it changed anything.
        """
        home = default_home() if home is None else Path(home).expanduser().absolute()
        with translated_errors(home):
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = HomeLock(home)
        try:
            migrations.upgrade(home)
            return cls(home, lock)
        except BaseException:
            lock.release()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes the calls inside the block one: all kept when it ends, none when it raises.

        No other thread writes meanwhile, so that what was read in the block still holds when it writes.
        Keep it short, and don't paint in it. Picture files are no part of it.
        """
        with self._db.transaction():
            yield

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
