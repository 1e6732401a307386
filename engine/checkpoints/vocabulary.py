"""Which words a model knows: ``vocabulary.json``, a small file that any checkpoint folder may carry.

    {"version": 1, "world": "storybook", "words": ["a", "about", "boat", "boats", ...]}

``words`` are all known words in lower case, every form spelled out (plurals are words of their own). A model
of a small world comes with one, so that a prompt can be checked before it is painted. A large model has no
such list and no such file. The file changes no picture, so it is no part of a checkpoint's digest.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

VOCABULARY = "vocabulary.json"
VERSION = 1

WORD = re.compile(r"[^\W_]+")
"""A word of a text: letters and digits, nothing else."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Vocabulary:
    """The known words, in lower case, and the name of the world that they describe."""

    world: str
    words: frozenset[str]

    def unknown_words(self, text: str) -> list[str]:
        """The words of ``text`` that the model doesn't know: in lower case, once each, in order."""
        return list(dict.fromkeys(word for word in WORD.findall(text.lower()) if word not in self.words))


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """The vocabulary of a checkpoint folder; None where there is none, or none that can be read.

    Painting works without it, so a broken file is logged and otherwise treated as missing.
    """
    path = folder / VOCABULARY
    try:
        return _vocabulary(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s can't be used and is ignored: %s", path, error)
        return None


def _vocabulary(found: object) -> Vocabulary:
    """The file's content, checked. Raises ``ValueError``."""
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise ValueError(f"it isn't a vocabulary of version {VERSION}")
    world, words = found.get("world", ""), found.get("words")
    if not isinstance(world, str):
        raise ValueError("world must be a name")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("words must be a list of words")
    return Vocabulary(world, frozenset(words))
