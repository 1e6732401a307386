"""Writes a file atomically: a reader finds the old one or the new one, never half of it.

The new bytes go into a file beside the target, reach the disk, and only then take its name. A failure
removes that file; only a killed process or a power cut can leave one, and its name ends in ``PART``.
"""

from __future__ import annotations

import glob
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

PART = ".part"
LEFT_AFTER = 3600.0
"""Seconds after which an unfinished file belongs to nobody."""


@contextmanager
def atomic_write(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A binary file to write; ``path`` is replaced by it when the block ends without an error.

    ``mode`` is what a new file is made with, less the umask. Raises ``OSError`` when the disk is full or
    the folder can't be written; ``path`` is then as it was.
    """
    with atomic_path(path) as part:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(part, flags, mode), "wb") as file:
            yield file


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """As :func:`atomic_write`, for code that opens the file itself: a path in the same folder to write to."""
    _sweep(path)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    _sync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    with atomic_write(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` as UTF-8, its line ends as they are."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any, *, ensure_ascii: bool = True) -> None:
    """Writes ``value`` as JSON, indented by one and with a line end after it."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=ensure_ascii) + "\n")


def _sweep(path: Path) -> None:
    """Removes what killed writers of this file left an hour ago or more; another writer's is newer."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*{PART}"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_AFTER:
                left.unlink()


def _sync_folder(folder: Path) -> None:
    """Makes a new name in the folder outlast a power cut, where a folder can be synced."""
    if os.name != "posix":
        return
    with suppress(OSError):  # some network file systems refuse; the file itself is written
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
