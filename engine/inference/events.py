"""What a painter's work comes to: a text written, a choice made, a picture drawn. Plain values, no torch.

While it works a painter yields :class:`~engine.core.events.TextDelta` and
:class:`~engine.core.events.Preview`; nothing here knows of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image


Check = Callable[[], None]
"""Called between pieces of long work; raises to end it."""


def no_check() -> None:
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
class Written:
    """A text is complete: how many tokens it has, and what ended it.

    ``finish`` is ``eos`` when the model ended it and ``length`` when the cap on tokens did.
    """

    tokens: int
    finish: Literal["eos", "length"]
    reuse: Reuse = Reuse()


@dataclass(frozen=True)
class Drawn:
    """A picture is complete. ``updates`` and ``forwards`` count its flow updates and network passes."""

    image: Image
    updates: int
    forwards: int
    reuse: Reuse = Reuse()


Next = Literal["text", "image", "end"]
"""What a model may begin after what it was shown."""


@dataclass(frozen=True)
class Choice:
    """What the model wants next, among the options it was given, and how sure it is of it."""

    token: Next
    probability: float
    reuse: Reuse = Reuse()
