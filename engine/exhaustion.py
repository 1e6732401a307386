"""Whether an error means that memory ran out. What a person is told of it is in ``failures``."""

from __future__ import annotations


def is_card_full(error: BaseException) -> bool:
    """Whether a graphics card's memory ran out; by torch's name for it, since torch isn't known here."""
    return type(error).__name__ == "OutOfMemoryError"


def is_memory_full(error: BaseException) -> bool:
    """Whether the computer's own memory ran out; torch says so in a plain ``RuntimeError``."""
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)
