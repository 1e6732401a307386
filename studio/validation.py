"""What a command's values must be. A wrong one is a sentence, never a silent correction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.core.settings import Settings
from sessions import clean_text

LONGEST_TEXT = 4000


class RefusedError(Exception):
    """A command that can't be done; the message says why and what to do."""


def checked_text(text: str, what: str) -> str:
    if not isinstance(text, str):
        raise RefusedError("This is not text. Load the page again.")
    if len(text) > LONGEST_TEXT:
        raise RefusedError(
            f"The {what} has {len(text):,} characters; at most {LONGEST_TEXT:,} fit. Shorten it; nothing was "
            "lost."
        )
    return clean_text(text)


def checked_settings(values: Mapping[str, Any], usual: Settings) -> Settings:
    """Settings with those of ``usual`` where ``values`` says nothing."""
    try:
        return Settings.from_dict({**usual.as_dict(), **values})
    except (TypeError, ValueError) as error:
        raise RefusedError(f"These settings don't fit: {error}. Change them and save again.") from error


def checked_seed(seed: Any) -> int:
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise RefusedError("A seed is a whole number from 0 to 4,294,967,295.")
    return seed
