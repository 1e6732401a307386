"""Drawing from a picture that is there, as the public model was trained to edit: the picture, then the words.

Source: the public release's own inference code (contexts and default scales of an edit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.core.trajectory import Step
from engine.protocols.base import Draw

EDIT = {"image_guidance": 2.0, "renorm": "text_channel", "interval_low": 0.0}
"""How a picture is drawn from another one by words; the text guidance stays the person's."""


def start_first(trajectory: Sequence[Step]) -> list[Step]:
    """The trajectory with the picture it starts from before its prompt."""
    steps = list(trajectory)
    if len(steps) > 1 and steps[1].is_start:
        steps[0], steps[1] = steps[1], steps[0]
    return steps


def with_start(draw: Draw, ordered: Sequence[Step]) -> Draw:
    """A draw at the scales of an edit, when its steps begin with a picture."""
    return replace(draw, preset=EDIT) if ordered and ordered[0].is_start else draw
