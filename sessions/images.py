"""The picture files: named by the SHA-256 of their bytes, written atomically.

Who may see which picture isn't decided here; ``Store`` asks the database first. Digests come from
the database or are checked to be one, so a path is never built from a person's text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from PIL import Image

from engine.core.atomic_write import PART, write_bytes
from sessions import png
from sessions.errors import DamagedImage, InvalidInput, translated_errors
from sessions.home import IMAGES

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_FOLDER = re.compile(r"[0-9a-f]{2}\Z")
_FILE = re.compile(r"[0-9a-f]{62}\.png\Z")


class ImageFiles:
    """The folder ``images/`` of one home."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.folder = home / IMAGES

    def path(self, digest: str) -> Path:
        """Where the picture is or would be. ``ValueError`` for what isn't a digest."""
        if not _DIGEST.match(digest):
            raise ValueError("a picture's name is 64 hexadecimal digits")
        return self.folder / digest[:2] / f"{digest[2:]}.png"

    def has(self, digest: str) -> bool:
        """Whether the picture is there; its bytes are not looked at. ``False`` for what isn't a digest."""
        return bool(_DIGEST.match(digest)) and self.path(digest).is_file()

    def put(self, data: bytes) -> str:
        """Saves a plain PNG and gives its digest; one that is there already is not written again.

        After a crash at any moment the file is whole or absent. Raises ``DiskFull``, ``NotWritable``.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        with translated_errors(self._home):
            if not _holds(path, data):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, data)
        return digest

    def load(self, digest: str) -> Image.Image:
        """The picture as RGB. Raises :class:`DamagedImage`, as :meth:`read` does."""
        data = self.read(digest)
        try:
            return png.decode_plain(data)
        except ValueError as error:
            raise DamagedImage(digest, str(error)) from error

    def read(self, digest: str) -> bytes:
        """The file's bytes. Raises :class:`DamagedImage` when they don't fit the digest or are gone."""
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError as error:
            raise DamagedImage(digest, "its file is gone") from error
        except OSError as error:
            raise DamagedImage(digest, f"its file can't be read ({error.strerror})") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise DamagedImage(digest, "its file was changed")
        return data

    def existing(self, digest: str) -> Path:
        """The path of a picture that is there; its bytes are not looked at."""
        path = self.path(digest)
        if not path.is_file():
            raise DamagedImage(digest, "its file is gone")
        return path

    def digests(self) -> Iterator[str]:
        """The digest of every picture in the folder, by name alone; other files are skipped."""
        for path in self._files():
            if _FOLDER.match(path.parent.name) and _FILE.match(path.name):
                yield path.parent.name + path.stem

    def unexpected_files(self) -> Iterator[Path]:
        """Files in the folder that aren't such pictures, half-written ones among them."""
        for path in self._files():
            if not (_FOLDER.match(path.parent.name) and _FILE.match(path.name)):
                yield path

    def sweep(self, wanted: Callable[[str], bool]) -> int:
        """Deletes the pictures that aren't wanted and gives how many. Leaves other files alone."""
        gone = 0
        for digest in list(self.digests()):
            if not wanted(digest):
                with suppress(OSError):  # one that can't be deleted now is found again next time
                    self.path(digest).unlink()
                    gone += 1
        return gone

    def clear_parts(self) -> None:
        """Removes half-written files that a crash left. Only for the holder of the home's lock."""
        for path in list(self.unexpected_files()):
            if path.suffix == PART:
                with suppress(OSError):
                    path.unlink()

    def _files(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (path for path in sorted(self.folder.rglob("*")) if not path.is_dir())


def as_plain_png(picture: Image.Image | bytes) -> bytes:
    """The picture as a plain PNG. Bytes must be one already, or :class:`InvalidInput` is raised."""
    if not isinstance(picture, bytes):
        return png.encode(picture)
    try:
        png.decode_plain(picture)
    except ValueError as error:
        raise InvalidInput(f"This isn't a plain PNG: {error}. It was not saved.") from error
    return picture


def _holds(path: Path, data: bytes) -> bool:
    """True when the file is there, whole. A damaged one is written again."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False
