"""One question about a picture, answered: the model is shown the picture and the words, and writes.

Nothing of it becomes a step: an answer changes no trajectory and no later picture.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from engine.core.events import Answered, Event, RunCancelled, TextDelta
from engine.core.settings import Settings
from engine.core.trajectory import Step, step_seed
from engine.inference.events import GenerationError
from engine.protocols.base import Protocol
from engine.runs.failures import failure
from engine.runs.limits import CancelledError, stopped_by

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.inference.painter import Painter

NEXT_ACTION = "Ask again, in other words."


def answer(
    painter: Painter,
    protocol: Protocol,
    trajectory: Sequence[Step],
    question: str,
    settings: Settings,
    *,
    pixels: Callable[[str], Image],
    session_seed: int,
    attempt: int = 0,
    cancel: threading.Event,
) -> Iterator[Event]:
    """Answers a question about the last picture of ``trajectory``, piece by piece.

    The last event is ``Answered``, ``StepFailed`` or ``RunCancelled``; no exception leaves it. ``attempt``
    counts the questions about this picture before, so that no two share a seed.
    """
    began, pieces, tokens = time.monotonic(), [], 0
    check = stopped_by(cancel)
    seed = step_seed(session_seed, len(trajectory), "answer", attempt)
    try:
        with closing(
            painter.write(
                protocol.question(trajectory, question),
                pixels=pixels,
                max_tokens=settings.max_tokens,
                temperature=settings.temperature,
                seed=seed,
                check=check,
            )
        ) as deltas:
            for delta in deltas:
                check()
                pieces.append(delta.text)
                tokens = delta.tokens
                if delta.text:
                    yield TextDelta(delta.text)
        words = protocol.read_answer("".join(pieces))
        if not words:
            raise GenerationError("The model gave no answer. Nothing was changed.", NEXT_ACTION)
        recipe: dict[str, Any] = {
            "protocol": protocol.name,
            "driver": protocol.driver,
            "settings": settings.as_dict(),
            "seed": seed,
            "attempt": attempt,
            "fingerprint": dict(painter.fingerprint),
        }
        seconds = round(time.monotonic() - began, 3)
        yield Answered(words, recipe, {"seconds": seconds, "tokens": tokens})
    except CancelledError:
        yield RunCancelled()
    except Exception as error:
        yield failure("answer", error)
