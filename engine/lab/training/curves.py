"""The curves of a training as a picture: one panel a kind of loss, one line a family of samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

PANELS = ("words: cross-entropy", "pictures: velocity error", "cells: cross-entropy")


def draw_curves(log: dict[str, Any], target: Path) -> None:
    """Writes a PNG of the curve in ``log`` (``unified.json``). Raises ``ValueError`` when it has no point."""
    points = log["curve"]
    if not points:
        raise ValueError("the curve has no point yet; train for some more steps")
    figure, panels = pyplot.subplots(1, len(PANELS), figsize=(13, 4), constrained_layout=True)
    families = sorted({family for point in points for family in point["ce/mse/cells"]})
    for number, (panel, title) in enumerate(zip(panels, PANELS, strict=True)):
        for family in families:
            met = [p for p in points if family in p["ce/mse/cells"]]
            values = [p["ce/mse/cells"][family][number] for p in met]
            if any(values):
                panel.plot([p["steps"] for p in met], values, label=family)
        panel.set_title(title)
        panel.set_xlabel("steps")
        panel.set_yscale("log")
        panel.grid(alpha=0.3)
        if panel.lines:
            panel.legend()
    figure.savefig(target, dpi=100)
    pyplot.close(figure)


def draw_curves_of(work: Path) -> Path:
    """The PNG beside ``work/unified.json``."""
    target = work / "unified.png"
    draw_curves(json.loads((work / "unified.json").read_text()), target)
    return target
