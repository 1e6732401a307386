"""What went wrong in a step, or while a model was opened, in sentences: the cause and what to do next."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.progress import LoadingCancelled
from engine.core.errors import GenerationError
from engine.core.events import StepFailed
from engine.core.out_of_memory import is_gpu_full, is_memory_full
from engine.core.trajectory import NOUNS

log = logging.getLogger(__name__)

SAFE = "Everything finished before is safe."
FEWER = (
    "The fewer pictures the model sees, the less it needs: choose “Start fresh from this” on the "
    "newest one, or begin a new session with a smaller picture."
)
"""What helps when memory ran out in a step: the size of a picture is settled once there is one."""
A_NOUN = {kind: f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}" for kind, noun in NOUNS.items()}


class MalformedTextError(GenerationError):
    """Neither the model's text nor its repair had the form of the step; ``raw`` is the repair."""

    def __init__(self, kind: str, reason: str, raw: str) -> None:
        super().__init__(
            f"The model's answer could not be read as {A_NOUN[kind]}, twice: {reason}. {SAFE}",
            f"Run it again with a new seed, or write the {NOUNS[kind]} yourself.",
        )
        self.raw = raw


def failure(kind: str, error: Exception) -> StepFailed:
    """The event of a step that an exception ended."""
    cause, next_action = explain(error)
    return StepFailed(
        kind, cause, next_action, raw=error.raw if isinstance(error, MalformedTextError) else ""
    )


def explain(error: Exception) -> tuple[str, str]:
    """(what happened, what to do next); an unexpected error is also logged with its traceback."""
    if isinstance(error, GenerationError):
        return str(error), error.next_action
    chain = list(_causes(error))
    if any(map(_is_full_disk, chain)):
        return f"The disk is full. {SAFE}", "Free some space, then continue."
    if any(map(is_gpu_full, chain)):
        return (
            f"The GPU ran out of memory in this step. {SAFE}",
            f"{FEWER} A --profile that needs less helps too.",
        )
    if any(map(is_memory_full, chain)):
        return (
            f"Memory ran out in this step. {SAFE}",
            f"Close other programs, then continue. {FEWER}",
        )
    if hasattr(error, "next_action"):  # a recorder's own error, already in sentences
        return str(error), error.next_action
    log.error("unexpected error in a step", exc_info=error)
    return f"Something unexpected went wrong ({_named(error)}). {SAFE}", "Continue to try this step again."


def explain_opening(error: Exception) -> tuple[str, str]:
    """As :func:`explain`, of a model that could not be opened; the next action is "" where the cause has it.

    Everything but a stop by the person is also logged with its traceback.
    """
    if isinstance(error, LoadingCancelled):
        return str(error), "Start Restroke again to load it."
    log.error("the model could not be opened", exc_info=error)
    if isinstance(error, CheckpointError):
        return f"The model could not be opened: {error}", ""
    chain = list(_causes(error))
    if any(map(_is_full_disk, chain)):
        return "The model could not be opened: the disk is full.", "Free some space, then start again."
    if any(map(is_gpu_full, chain)):
        return (
            "The model could not be opened: the GPU doesn't have enough memory for it.",
            "Close what else uses the GPU, or start Restroke again with a --profile that needs less.",
        )
    if any(map(is_memory_full, chain)):
        return (
            "The model could not be opened: there isn't enough memory for it.",
            "Close other programs, or start Restroke again with a --profile that needs less.",
        )
    return (
        f"The model could not be opened ({_named(error)}).",
        "Start Restroke again; if that doesn't help, restroke.log in its data folder says more.",
    )


def _named(error: Exception) -> str:
    return ": ".join(filter(None, (type(error).__name__, str(error))))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from: a recorder wraps the system's errors in its own."""
    while error is not None:
        yield error
        error = error.__cause__


def _is_full_disk(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "disk is full" in str(error).lower()  # SQLite's words
