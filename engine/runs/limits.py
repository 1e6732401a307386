"""The limits of a run: where its mode or a cap ends it, and the check that a person's stop raises from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.core.errors import CancelledError
from engine.core.events import RunDone, RunPaused
from engine.core.trajectory import NOUNS, Step

if TYPE_CHECKING:
    from engine.core.settings import Settings


def after_step(
    step: Step, settings: Settings, *, steps_made: int, seconds: float, steps_limit: int | None = None
) -> RunPaused | RunDone | None:
    """How a run pauses or ends after ``step``, by its mode and its time limit; None to go on.

    ``steps_made`` and ``seconds`` count this run's own steps, not its time in the queue.
    """
    if settings.mode == "pause_on_fault" and step.is_fault:
        return RunPaused("The inspection found a fault. Look at it, then continue.")
    if settings.mode == "pause_each":
        return RunPaused(f"The {NOUNS[step.kind]} is done. Look at it, then continue.")
    if settings.mode == "one_step" or (steps_limit is not None and steps_made >= steps_limit):
        return RunPaused(f"The {NOUNS[step.kind]} is done, as far as this run was asked to go.")
    if seconds >= settings.max_seconds:
        return RunDone(
            f"The limit of {settings.max_seconds:g} seconds for one run is reached. Continue to go on.",
            finished=False,
        )
    return None


def stopped_by(cancel: threading.Event) -> Callable[[], None]:
    """A check for the pieces of long work, which raises :class:`CancelledError` once ``cancel`` is set."""

    def check() -> None:
        if cancel.is_set():
            raise CancelledError

    return check
