"""Who is asking, and the signed tokens that pictures, streams and uploads carry.

Local mode: one trusted person, reached over the loopback address. ``<img>`` and ``EventSource`` can't
send headers, so a page gets a token when it is opened and puts it into its addresses.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from itsdangerous import BadData, URLSafeTimedSerializer

from engine.core.atomic_write import atomic_write

Purpose = Literal["page", "upload", "start"]
LIFETIMES: dict[Purpose, int] = {"page": 30 * 86400, "upload": 3600, "start": 86400}
"""Seconds for which a token holds."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class DeniedError(Exception):
    """A request that isn't allowed; the message is a whole sentence."""


def owner_of(headers: Mapping[str, str], *, loopback_only: bool) -> str:
    """The owner that a request speaks for.

    Raises :class:`DeniedError` when the studio listens on the loopback address only and the browser came by
    another name: a foreign page that points its own name here must not read anything.
    """
    host = headers.get("host", "").rsplit("@")[-1]
    name = host[1:].split("]")[0] if host.startswith("[") else host.split(":")[0]
    if loopback_only and name not in LOOPBACK:
        raise DeniedError("Restroke answers only on this computer. Open it as http://127.0.0.1.")
    return "local"


class Tokens:
    """Signs small values. The key is kept in the data folder, so that open tabs survive a restart."""

    def __init__(self, key: bytes) -> None:
        self._signers = {
            purpose: URLSafeTimedSerializer(
                key, salt=f"restroke {purpose}", signer_kwargs={"digest_method": hashlib.sha256}
            )
            for purpose in LIFETIMES
        }

    @classmethod
    def of(cls, home: Path) -> Tokens:
        """Reads the key, or makes one. Raises ``OSError`` when ``home`` can't be written."""
        path = home / "studio.key"
        if not path.exists():
            with atomic_write(path, mode=0o600) as file:
                file.write(secrets.token_hex(32).encode())
        return cls(path.read_bytes())

    def mint(self, purpose: Purpose, *values: str) -> str:
        """A token that :meth:`read` takes for this purpose, for the time of :data:`LIFETIMES`."""
        return self._signers[purpose].dumps(values)

    def read(self, purpose: Purpose, token: str) -> tuple[str, ...]:
        """The values of a token. Raises :class:`DeniedError` when it is forged, old or for something else."""
        try:
            values, signed = self._signers[purpose].loads(token, return_timestamp=True)
        except BadData as error:
            raise DeniedError("This page is no longer known here. Load it again.") from error
        # Not max_age: it refuses tokens from the future, too, and a clock may be set back meanwhile.
        if time.time() - signed.timestamp() > LIFETIMES[purpose]:
            raise DeniedError("This page was open for too long. Load it again.")
        return tuple(values)
