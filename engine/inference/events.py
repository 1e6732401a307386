"""What a painter yields while it writes, chooses and draws. Plain values: importing this costs no torch.

The runner turns these into the events of a run (:mod:`engine.events`); nothing here knows of steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image


class PaintError(Exception):
    """The model could not make a usable text or picture; ``str(error)`` says why in a sentence.

    ``next_action`` says what the person can do about it.
    """

    def __init__(self, cause: str, next_action: str = "Run this step again with a new seed.") -> None:
        super().__init__(cause)
        self.next_action = next_action


@dataclass(frozen=True)
class Reuse:
    """How much of the context was already in the cache, in tokens, and how much had to be run."""

    reused_tokens: int = 0
    prefilled_tokens: int = 0


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
