"""The prompts of the guided drivers: the default ones, and those a checkpoint puts in their place.

They are data (``assets/protocols/guided.toml``, a checkpoint's ``protocol.toml``) and checked when they are
read, so that a slip in a file is a sentence at the start and not a failure in the middle of a picture.
"""

from __future__ import annotations

import hashlib
import json
import string
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from engine.core.assets import asset

OWN = "protocol.toml"
"""The file in a checkpoint folder that overrides the default prompts."""

Prompts = Mapping[str, Mapping[str, str]]
"""Section → name → text; a text may have placeholders in braces."""


@cache
def default_prompts() -> Prompts:
    """The prompts of ``assets/protocols/guided.toml``."""
    with asset("protocols/guided.toml").open("rb") as file:
        return _stripped(tomllib.load(file))


def prompts_of(folder: Path) -> Prompts:
    """The default prompts, with those of the folder's ``protocol.toml`` in their place if it has one.

    Raises ``ValueError`` with what is wrong in the file: no TOML, an unknown name, another set of places.
    """
    path = folder / OWN
    if not path.is_file():
        return default_prompts()
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ValueError(f"{OWN} can't be read: {error}") from error
    merged = {section: dict(words) for section, words in default_prompts().items()}
    for section, words in own.items():
        if section not in merged or not isinstance(words, dict):
            raise ValueError(f"{OWN} has a section {section!r}; there are {', '.join(merged)}")
        for name, text in words.items():
            _check(section, name, text, merged[section])
        merged[section] |= words
    return _stripped(merged)


def short_name(words: Mapping[str, str]) -> str:
    """A name for a section's words that changes with them: 12 hexadecimal digits."""
    return hashlib.sha256(json.dumps(dict(words), sort_keys=True).encode()).hexdigest()[:12]


def _check(section: str, name: str, text: object, known: Mapping[str, str]) -> None:
    if name not in known:
        raise ValueError(f"{OWN} names {section}.{name}; known there: {', '.join(known)}")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{OWN}: {section}.{name} must be words")
    places = _places(known[name], name)
    if places and (unknown := _places(text, name) - places):  # words without places are taken as they are
        raise ValueError(f"{OWN}: {section}.{name} has a place {{{min(unknown)}}} that nothing fills")


def _places(text: str, name: str) -> set[str]:
    try:
        return {place for _, place, _, _ in string.Formatter().parse(text) if place is not None}
    except ValueError as error:
        raise ValueError(f"{OWN}: the braces in {name} don't match ({error})") from error


def _stripped(words: Prompts) -> Prompts:
    return {section: {name: text.strip() for name, text in each.items()} for section, each in words.items()}
