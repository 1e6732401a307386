"""Text that can be saved: what is removed from it, how long it may be, how a title is made.

Text is data here: it is never parsed, never a file name. Escaping it for a page is the page's work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.core.trajectory import Step, canonical_json
from sessions.errors import InvalidInput

MAX_TEXT = 20_000
MAX_TITLE = 80
MAX_NAME = 80
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """``text`` without NULs and lone surrogates, which SQLite and UTF-8 can't store."""
    return _UNKEEPABLE.sub("", text)


def clean_step(step: Step) -> Step:
    """The step with its texts cleaned (a new id, if that changed one).

    Raises :class:`InvalidInput` for a text over ``MAX_TEXT`` characters and for a recipe that isn't
    plain JSON, because its hash couldn't be derived again from the database.
    """
    for name, text in step.fields.items():
        if len(text) > MAX_TEXT:
            raise InvalidInput(
                f"The {name} is {len(text):,} characters long; at most {MAX_TEXT:,} are allowed. Nothing was "
                "changed. Shorten it and save again."
            )
    fields = {name: clean_text(text) for name, text in step.fields.items()}
    cleaned = step if fields == step.fields else replace(step, fields=fields)
    for values in (cleaned.recipe, cleaned.result):
        if not _is_plain_json(values):
            raise InvalidInput("A step's recipe and result must be plain JSON. The step was not saved.")
    return cleaned


def clean_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    if not _is_plain_json(settings):
        raise InvalidInput("Settings must be plain JSON values. Nothing was changed.")
    return dict(settings)


def _is_plain_json(value: Any) -> bool:
    """True when the value survives JSON unchanged: no NaN, no lone surrogate, only string keys."""
    try:
        canonical_json(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return _keys_are_text(value)


def _keys_are_text(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _keys_are_text(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return all(_keys_are_text(inner) for inner in value)
    return True


def title_from(prompt: str) -> str:
    """A title from a prompt: one line, cut at a word, with an ellipsis when cut."""
    line = " ".join(clean_text(prompt).split())
    if len(line) <= MAX_TITLE:
        return line
    words = line[:MAX_TITLE].rpartition(" ")[0]
    return (words if len(words) > MAX_TITLE // 2 else line[: MAX_TITLE - 1]) + "…"


def name_from(text: str, what: str) -> str:
    """A title or a branch's name as a person typed it: one line. Empty or too long raises."""
    line = " ".join(clean_text(text).split())
    if not line:
        raise InvalidInput(f"A {what} needs at least one character. The old one was kept.")
    if len(line) > MAX_NAME:
        raise InvalidInput(f"A {what} has at most {MAX_NAME} characters. The old one was kept; shorten it.")
    return line
