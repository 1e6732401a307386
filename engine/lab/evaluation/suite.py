"""What every suite is given to work with, and how it hands over a finished case.

A case is examined once and becomes a row of JSON; a suite's summary is made of its rows alone.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from engine.core.settings import Settings
from engine.lab.evaluation.statistics import Summary
from engine.protocols.base import Protocol

if TYPE_CHECKING:
    from engine.runs.opened_model import OpenedModel

SHOWN_SIDE = 96
"""Pixels along the longer side of a picture in a report."""

Row = dict[str, Any]
"""What is left of a case: JSON-able. ``shown`` holds its pictures for a report, if any."""


@dataclass(frozen=True)
class Setup:
    """The model, its settings and protocol, and the two numbers that a run is asked for."""

    model: OpenedModel
    settings: Settings
    seed: int
    images: int = 1
    """Pictures a prompt, where a suite draws several."""
    protocol: Protocol | None = None
    """In place of the settings' own, for an ablation."""


@dataclass(frozen=True)
class Suite:
    """One examination. ``cases`` takes the number of prompts and the seed and costs next to nothing."""

    name: str
    sentence: str
    protocols: tuple[str, ...] | None
    """Those it makes sense for; ``None`` for all."""
    prompts: int
    """How many when nobody says."""
    cases: Callable[[int, int], Sequence[Any]]
    examine: Callable[[Setup, Any], Row]
    summarise: Callable[[Sequence[Row]], dict[str, Summary]]
    alone: bool = False
    """Its figures are timings, so no other case may run beside one."""


def shown(image: Image.Image, caption: str, right: bool | None = None) -> dict[str, Any]:
    """A picture for a report: a small PNG in base64, a caption, and whether it is right."""
    small = image.convert("RGB")
    small.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    buffer = io.BytesIO()
    small.quantize(64).save(buffer, "PNG", optimize=True)
    return {"png": base64.b64encode(buffer.getvalue()).decode(), "caption": caption, "right": right}
