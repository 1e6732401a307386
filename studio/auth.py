"""Who is asking: the one place that says so, and the signed tokens that pictures and streams carry.

Local mode: one trusted person, reached over the loopback address. ``<img>`` and ``EventSource`` can't
send headers, so a page gets a token when it is opened and puts it into its addresses.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from engine.core.atomic_write import atomic_write

LIFETIME = 30 * 86400
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class DeniedError(Exception):
    """The asker may not; the message is a whole sentence."""


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
    """Signs small values. The key is kept in the data directory, so that open tabs survive a restart."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of(cls, home: Path) -> Tokens:
        """Reads or makes the key. Raises ``OSError`` when ``home`` can't be written."""
        path = home / "studio.key"
        if not path.exists():
            with atomic_write(path, mode=0o600) as file:  # never half a key, which could be guessed
                file.write(secrets.token_hex(32).encode())
        return cls(path.read_bytes())

    def mint(self, purpose: str, *values: str, lifetime: int = LIFETIME) -> str:
        body = base64.urlsafe_b64encode(json.dumps([purpose, *values, int(time.time()) + lifetime]).encode())
        return f"{body.decode()}.{self._sign(body)}"

    def read(self, purpose: str, token: str) -> tuple[str, ...]:
        """The values of a token. Raises :class:`DeniedError` when it is forged, old or for something else."""
        body, _, signature = token.partition(".")
        if not hmac.compare_digest(self._sign(body.encode()).encode(), signature.encode()):
            raise DeniedError("This page is not known here any more. Load it again.")
        what, *values, until = json.loads(base64.urlsafe_b64decode(body))
        if what != purpose or until < time.time():
            raise DeniedError("This page was open for too long. Load it again.")
        return tuple(values)

    def _sign(self, body: bytes) -> str:
        return hmac.new(self._key, body, hashlib.sha256).hexdigest()
