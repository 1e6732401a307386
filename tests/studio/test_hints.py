"""Hints about words that a model doesn't know."""

from __future__ import annotations

from engine.checkpoints.vocabulary import Vocabulary
from studio.hints import unknown_words_hint

STORYBOOK = Vocabulary(
    "storybook", frozenset(["a", "red", "house", "left", "of", "green", "tree", "at", "night"])
)


def test_words_the_model_never_saw_get_a_gentle_hint():
    assert unknown_words_hint(STORYBOOK, "A red house left of a green tree at night") == ""
    hint = unknown_words_hint(STORYBOOK, "a red zeppelin")
    assert hint.startswith("The storybook model doesn't know “zeppelin”.")
    assert unknown_words_hint(Vocabulary("", frozenset()), "x").startswith("This model doesn't know “x”")


def test_only_a_few_are_named():
    hint = unknown_words_hint(STORYBOOK, "q w e r t z u")
    assert "“q”, “w”, “e”, “r” … It" in hint.replace(" ….", " …") and "“t”" not in hint


def test_a_model_that_says_nothing_of_its_words_gets_none():
    assert unknown_words_hint(None, "zeppelin") == ""
