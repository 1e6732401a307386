"""One question about a picture, answered: the model is shown the picture and the words, and writes.

Nothing of it becomes a step: an answer changes no trajectory and no later picture.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from engine.core.errors import CancelledError, GenerationError
from engine.core.events import Answered, Event, RunCancelled
from engine.core.trajectory import Step, step_seed
from engine.inference.events import Written
from engine.protocols.base import Protocol
from engine.runs.failures import failure
from engine.runs.limits import stopped_by

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.core.settings import Settings
    from engine.runs.opened_model import OpenedModel

NEXT_ACTION = "Ask again, in other words."


def answer(
    model: OpenedModel,
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
    began, tokens = time.monotonic(), 0
    pieces: list[str] = []
    check = stopped_by(cancel)
    seed = step_seed(session_seed, len(trajectory), "answer", attempt)
    try:
        with closing(
            model.painter.write(
                protocol.question(trajectory, question),
                pixels=pixels,
                max_tokens=settings.max_tokens,
                temperature=settings.temperature,
                seed=seed,
                check=check,
            )
        ) as pieces_written:
            for piece in pieces_written:
                check()
                if isinstance(piece, Written):
                    tokens = piece.tokens
                elif piece.text:
                    pieces.append(piece.text)
                    yield piece
        words = protocol.read_answer("".join(pieces))
        if not words:
            raise GenerationError("The model gave no answer. Nothing was changed.", NEXT_ACTION)
        recipe: dict[str, Any] = {
            "protocol": protocol.name,
            "driver": protocol.driver,
            "settings": settings.as_dict(),
            "seed": seed,
            "attempt": attempt,
            "fingerprint": model.fingerprint,
        }
        seconds = round(time.monotonic() - began, 3)
        yield Answered(words, recipe, {"seconds": seconds, "tokens": tokens})
    except CancelledError:
        yield RunCancelled()
    except Exception as error:
        yield failure("answer", error)
