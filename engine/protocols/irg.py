"""The irg protocol: think, draw, then look at the picture, say what to improve and draw it again.

The number of turns is a setting and not the model's choice. Source: IRG, arXiv 2509.06945 (inference
pipeline, guidance conditions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.core.reflection import REFLECTIONS
from engine.core.trajectory import Step
from engine.protocols.base import Draw, Stop, Write, images_spent
from engine.protocols.edits import start_first
from engine.protocols.think import Think

if TYPE_CHECKING:
    from engine.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Irg(Think):
    """Think → image, then reflect → image until there are as many turns as the settings say.

    Also polishes what another protocol drew: all of its steps are the first turn, shown as there. So is a
    picture to start from. The picture after a reflection is drawn at the scales that the settings name, the
    first one with the person's alone.
    """

    name = "irg"
    title = "Think and reflect"
    sentence = "Thinks, draws, looks at the picture, says what to improve, and draws it again."
    reflects = True

    def next(
        self, trajectory: Sequence[Step], settings: Settings, chosen: str | None = None
    ) -> Write | Draw | Stop:
        tip = trajectory[-1] if trajectory else None
        if tip is None or not (tip.image or tip.is_pass):
            return super().next(trajectory, settings)
        turns = 1 + reflections(trajectory)
        if turns >= settings.turns and not tip.is_start:
            return Stop(_said(turns - 1), finished=True)
        if spent := images_spent(trajectory, settings):
            return spent
        return self.write("reflect", start_first(trajectory), settings)

    def next_text(self, tip: Step) -> str | None:
        return "reflect" if tip.image or tip.is_pass else super().next_text(tip)

    def draw(self, kind: str, trajectory: Sequence[Step], settings: Settings) -> Draw:
        draw = super().draw(kind, trajectory, settings)
        if trajectory[-1].kind != "reflect":
            return draw
        return replace(draw, preset=REFLECTIONS[settings.reflection])


def reflections(trajectory: Sequence[Step]) -> int:
    """How often the picture of a trajectory was looked at to be drawn again."""
    return sum(step.kind == "reflect" for step in trajectory)


def _said(again: int) -> str:
    if not again:
        return "The picture is drawn."
    times = {1: "once", 2: "twice"}.get(again, f"{again} times")
    return f"The picture was looked at and drawn again {times}."
