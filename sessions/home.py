"""The folder that everything is saved in: where it is, what is in it, and which process has it open.

::

    restroke.db            the rows (with SQLite's own -wal and -shm beside it while in use)
    images/ab/cdef….png    the pictures, named by their SHA-256
    backups/               copies of the database from before each migration
    lock                   held while a process has the folder open; its number is in lock.pid
"""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from sessions.errors import HomeInUse, translated_errors

DATABASE = "restroke.db"
IMAGES = "images"
BACKUPS = "backups"
LOCK = "lock"
HOLDER = "lock.pid"


def default_home() -> Path:
    """``RESTROKE_HOME`` if it is set, else the folder where this system keeps a program's data."""
    chosen = os.environ.get("RESTROKE_HOME", "").strip()
    return Path(chosen).expanduser().absolute() if chosen else user_data_path("restroke", appauthor=False)


class HomeLock:
    """Holds a folder for one process, so that two never write in it at once.

    The system drops the lock when the process dies, however it dies, so a crash never locks a
    person out. The process's number is only for the sentence that a second one is given; it has a file of
    its own because Windows lets nobody read a locked one.
    """

    def __init__(self, home: Path) -> None:
        """Raises :class:`HomeInUse` at once when another holder lives; never waits."""
        # Any thread may close what another opened.
        self._lock = FileLock(home / LOCK, timeout=0, mode=0o600, thread_local=False)
        number = home / HOLDER
        with translated_errors(home):
            try:
                self._lock.acquire()
            except Timeout:
                holder = number.read_text(encoding="utf-8").strip() if number.is_file() else "unknown"
                raise HomeInUse(
                    f"Restroke is already running on {home} (process {holder}). Nothing was changed. Use the "
                    "one that is running, stop it first, or choose another folder with RESTROKE_HOME."
                ) from None
            try:
                number.write_text(f"{os.getpid()}\n", encoding="utf-8")
            except OSError:
                self.release()
                raise

    def release(self) -> None:
        """Releases the folder; twice is fine."""
        self._lock.release()
