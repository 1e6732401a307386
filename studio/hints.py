"""A gentle hint about words that a model of a small world has never seen. Never a refusal."""

from __future__ import annotations

from engine.checkpoints.vocabulary import Vocabulary

SHOWN = 4


def unknown_words_hint(vocabulary: Vocabulary | None, text: str) -> str:
    """A sentence that names a few unknown words, or "". Without a vocabulary there is nothing to say."""
    found = vocabulary.unknown_words(text) if vocabulary else []
    if not vocabulary or not found:
        return ""
    words = ", ".join(f"“{word}”" for word in found[:SHOWN]) + (" …" if len(found) > SHOWN else "")
    model = f"The {vocabulary.world} model" if vocabulary.world else "This model"
    return f"{model} doesn't know {words}. It will do what it can with the rest."
