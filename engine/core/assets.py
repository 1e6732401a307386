"""Finds the data files that ship with Restroke: protocol texts, the default checkpoint."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "assets"
"""``assets`` lies beside ``engine`` in a checkout and in an installation alike."""


def asset(path: str) -> Path:
    """The file or folder ``assets/<path>``. Raises ``FileNotFoundError`` when it is not there."""
    found = ROOT / path
    if not found.exists():
        raise FileNotFoundError(f"{found} is missing: this copy of Restroke is incomplete; install it again")
    return found


def default_checkpoint() -> Path:
    """The checkpoint folder that ships with Restroke. Raises ``FileNotFoundError`` as :func:`asset`."""
    return asset("default")
