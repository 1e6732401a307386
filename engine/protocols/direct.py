"""The direct protocol: the prompt, then one picture. What the process is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.core.trajectory import Step
from engine.protocols.base import Draw, ParseError, Stop, images_spent, neutral
from engine.protocols.edits import start_first, with_start
from engine.protocols.process import Process

if TYPE_CHECKING:
    from engine.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Direct(Process):
    """One picture from the bare prompt, or from a picture and the prompt. Other steps are shown as there."""

    name = "direct"
    title = "In one go"
    sentence = "Draws the picture from your words at once, with no plan and no second look."
    round_kinds = ("image",)
    has_rounds = False

    def next(self, trajectory: Sequence[Step], settings: Settings, chosen: str | None = None) -> Draw | Stop:
        if not trajectory:
            raise ValueError("a trajectory begins with its prompt; this one is empty")
        tip = trajectory[-1]
        if tip.image and not tip.is_start:
            return Stop("The picture is drawn.", finished=True)
        return images_spent(trajectory, settings) or self.draw("image", trajectory, settings)

    def draw(self, kind: str, trajectory: Sequence[Step], settings: Settings) -> Draw:
        ordered = start_first(trajectory)
        return with_start(super().draw(kind, ordered, settings), ordered)

    def step_text(self, step: Step) -> str:
        return neutral(step.fields["text"]) if step.kind == "prompt" else super().step_text(step)

    def parse(self, kind: str, text: str) -> dict[str, str] | None:
        raise ParseError("the direct protocol has no text steps")
