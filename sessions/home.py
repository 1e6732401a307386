"""The folder everything is kept in: where it is, what lies in it, and who has it open.

::

    restroke.db            the rows (with SQLite's own -wal and -shm beside it while in use)
    images/ab/cdef….png    the pictures, named by their SHA-256
    backups/               copies of the database from before each migration
    lock                   held while a process has the folder open
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from platformdirs import user_data_path

from sessions.errors import HomeInUse, plainly

DATABASE = "restroke.db"
IMAGES = "images"
BACKUPS = "backups"
LOCK = "lock"


def default_home() -> Path:
    """``RESTROKE_HOME`` if it is set, else the place this system keeps a program's data."""
    chosen = os.environ.get("RESTROKE_HOME", "").strip()
    return Path(chosen).expanduser().absolute() if chosen else user_data_path("restroke", appauthor=False)


class HomeLock:
    """Holds a folder for one process, so that two never write in it at once.

    The system drops the lock when the process dies, however it dies, so a crash never locks a
    person out. The number inside the file is only for the sentence the second process is given.
    """

    def __init__(self, home: Path) -> None:
        """Raises :class:`HomeInUse` at once when another holder lives; never waits."""
        with plainly(home):
            self._file = _open_shared(home / LOCK)
        if not _try_lock(self._file):
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise HomeInUse(
                f"Restroke is already running on {home} (process {holder}). Nothing was changed. Use the one "
                "that is running, stop it first, or choose another folder with RESTROKE_HOME."
            )
        with plainly(home):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(f"{os.getpid()}\n")
            self._file.flush()

    def release(self) -> None:
        """Lets go; twice is fine. The file stays, as deleting it would race with the next holder."""
        with suppress(ValueError):
            _unlock(self._file)
        self._file.close()


def _open_shared(path: Path) -> IO[str]:
    return open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")


if sys.platform == "win32":
    import msvcrt

    # A byte far behind the number: Windows locks are mandatory and the number must stay readable.
    _BYTE = 1 << 20

    def _try_lock(file: IO[str]) -> bool:
        os.lseek(file.fileno(), _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(file.fileno(), 0, os.SEEK_SET)
        return True

    def _unlock(file: IO[str]) -> None:
        os.lseek(file.fileno(), _BYTE, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _try_lock(file: IO[str]) -> bool:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
