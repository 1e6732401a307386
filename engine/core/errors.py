"""Errors that several packages raise or catch. No torch, so that reporting one costs no import."""

from __future__ import annotations


class GenerationError(Exception):
    """The model made no usable text or picture; ``str(error)`` says why in a sentence.

    ``next_action`` says what the person can do about it.
    """

    def __init__(self, cause: str, next_action: str = "Run this step again with a new seed.") -> None:
        super().__init__(cause)
        self.next_action = next_action


class CancelledError(Exception):
    """Unwinds work that the person stopped."""
