"""Whether an error means that memory ran out. What a person is told of it is in ``failures``."""

from __future__ import annotations

LIBRARIES = ("CUDA error: out of memory", "_STATUS_ALLOC_FAILED")
"""What torch says when one of the GPU's libraries, or the driver itself, found no room."""


def is_gpu_full(error: BaseException) -> bool:
    """Whether a GPU's memory ran out; by the name of torch's error, since torch isn't imported here."""
    return type(error).__name__ == "OutOfMemoryError" or any(words in str(error) for words in LIBRARIES)


def is_memory_full(error: BaseException) -> bool:
    """Whether the computer's own memory ran out; torch says so in a plain ``RuntimeError``."""
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)
