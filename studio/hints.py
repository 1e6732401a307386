"""A gentle hint about words that the storybook model has never seen. Never a refusal."""

from __future__ import annotations

from engine.lab.storybook.language.parse import unknown_words

SHOWN = 4


def unknown_words_hint(text: str) -> str:
    """A sentence that names a few unknown words, or ""."""
    found = unknown_words(text)
    if not found:
        return ""
    names = ", ".join(f"“{word}”" for word in found[:SHOWN]) + (" …" if len(found) > SHOWN else "")
    return f"The storybook model doesn't know {names}. It will do what it can with the rest."
