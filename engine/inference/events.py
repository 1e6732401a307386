"""What a painter yields while it writes, chooses and draws. Plain values: importing this costs no torch.

The runner turns these into the events of a run (:mod:`engine.core.events`); nothing here knows of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image


class GenerationError(Exception):
    """The model could not make a usable text or picture; ``str(error)`` says why in a sentence.

    ``next_action`` says what the person can do about it.
    """

    def __init__(self, cause: str, next_action: str = "Run this step again with a new seed.") -> None:
        super().__init__(cause)
        self.next_action = next_action


Check = Callable[[], None]
"""Called between pieces of long work; raises to end it."""


def go_on() -> None:
    """A check that never ends anything."""


@dataclass(frozen=True)
class Reuse:
    """How much of what a call reads was already in the cache, and how much had to be run.

    Tokens that several branches read count once. ``saved_seconds`` is what running the reused ones took
    when they were run; ``prefill_seconds`` what running the others took now.
    """

    reused_tokens: int = 0
    prefilled_tokens: int = 0
    saved_seconds: float = 0.0
    prefill_seconds: float = 0.0

    def then(self, later: Reuse) -> Reuse:
        """This call and a later one of the same step, which reads the same or more.

        What the step itself ran is not a saving when its next call finds it.
        """
        prefilled = self.prefilled_tokens + later.prefilled_tokens
        seconds = self.prefill_seconds + later.prefill_seconds
        read = max(call.reused_tokens + call.prefilled_tokens for call in (self, later))
        worth = max(call.saved_seconds + call.prefill_seconds for call in (self, later))
        return Reuse(max(0, read - prefilled), prefilled, max(0.0, worth - seconds), seconds)


@dataclass(frozen=True)
class TextDelta:
    """A piece of text as it is decoded; ``text`` is only the new piece.

    ``tokens`` counts all tokens of this text so far. On the last one ``finished`` is true and
    ``finish`` says why: the model ended it (``eos``) or the cap did (``length``).
    """

    text: str
    tokens: int
    finished: bool = False
    finish: Literal["eos", "length"] | None = None
    reuse: Reuse = Reuse()


@dataclass(frozen=True)
class FlowUpdate:
    """One flow update of a picture: ``index`` counts from 1 to ``total``.

    ``preview`` is a cheap picture of the latents; ``image`` is the decoded picture and comes only
    with the last update. ``forwards`` counts the network passes since drawing began.
    """

    index: int
    total: int
    preview: Image | None = None
    image: Image | None = None
    forwards: int = 0
    reuse: Reuse = Reuse()


@dataclass(frozen=True)
class Choice:
    """What the model wants next, among the options it was given, and how sure it is of it."""

    token: Literal["text", "image", "end"]
    probability: float
    reuse: Reuse = Reuse()
