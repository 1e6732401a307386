"""What can go wrong in the store: a type each, with whole sentences for a person.

``str(error)`` says what happened, what is safe and what to do next, so that a caller may show it
as it is. This module also turns the operating system's and SQLite's own errors into these.
"""

# ruff: noqa: N818 - the names say what happened, as the sentences do
from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError


class StoreError(RuntimeError):
    """Any failure of the store; its text is meant for a person.

    ``next_action`` is for a run that it ends (:func:`engine.runs.failures.explain` reads it).
    """

    next_action = "Continue to try this step again."


class NotFound(StoreError):
    """There is no such thing, it is somebody else's, or it is in the bin."""


class Conflict(StoreError):
    """The branch has moved since the caller looked at it."""


class InvalidInput(StoreError, ValueError):
    """What was given can't be saved (empty, too long, out of range)."""


class DiskFull(StoreError):
    """The disk is full."""


class NotWritable(StoreError):
    """The folder can't be created or written."""


class HomeInUse(StoreError):
    """Another running process has this folder open."""


class NewerDatabase(StoreError):
    """The folder was last used by a newer version."""


class DamagedDatabase(StoreError):
    """The database can't be read."""


class DamagedImage(StoreError):
    """A picture's file is gone or was changed; ``why`` says which in a few words."""

    def __init__(self, digest: str, why: str) -> None:
        self.why = why
        super().__init__(
            f"The picture {digest[:12]}… can't be shown: {why}. The steps and their texts are safe. Run "
            "`restroke doctor` to see what else is affected, or run the step again."
        )


class BundleError(StoreError):
    """A PNG has no recipe, or one that can't be used."""


class UploadError(StoreError):
    """A person's file can't be used as a picture."""


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT}


def disk_full(home: Path) -> DiskFull:
    return DiskFull(
        f"The disk that holds {home} is full. Everything saved before is safe; the newest change was not "
        "saved. Free some space, then try again."
    )


def not_writable(home: Path, why: object) -> NotWritable:
    return NotWritable(
        f"The folder {home} can't be written ({why}). Nothing in it was changed. Change its permissions, or "
        "choose another folder with RESTROKE_HOME."
    )


def damaged_database(home: Path, why: object) -> DamagedDatabase:
    return DamagedDatabase(
        f"The database in {home} can't be read ({why}). The pictures beside it are untouched and nothing "
        "was changed. Run `restroke doctor` to see what is wrong; older copies are in the folder 'backups'."
    )


@contextmanager
def translated_errors(home: Path) -> Iterator[None]:
    """Turns what the system and SQLite raise inside the block into a :class:`StoreError`."""
    try:
        yield
    except DBAPIError as error:
        raise _from_sqlite(home, str(error.orig)) from error
    except sqlite3.Error as error:
        raise _from_sqlite(home, str(error)) from error
    except OSError as error:
        raise _from_system(home, error) from error


def _from_system(home: Path, error: OSError) -> StoreError:
    if error.errno in _FULL:
        return disk_full(home)
    if error.errno in _DENIED:
        return not_writable(home, error.strerror)
    return StoreError(
        f"Reading or writing in {home} failed ({error.strerror or error}). Everything saved "
        "before is safe. Check the disk, then try again."
    )


def _from_sqlite(home: Path, said: str) -> StoreError:
    low = said.lower()
    if "is full" in low:
        return disk_full(home)
    if "readonly" in low or "unable to open" in low:
        return not_writable(home, said)
    if "malformed" in low or "not a database" in low or "corrupt" in low:
        return damaged_database(home, said)
    if "locked" in low:
        return StoreError(
            f"The database in {home} is in use by another program ({said}). Nothing was changed. Close that "
            "program, then try again."
        )
    return StoreError(
        f"The database in {home} reported an error ({said}). Nothing was changed. Try again; if it happens "
        "again, run `restroke doctor`."
    )
