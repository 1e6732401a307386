"""What a page must know of a protocol to offer the right next thing."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.settings import Settings
from engine.core.trajectory import Step


def _is_done(step: Step) -> bool:
    return step.image is not None or (step.kind == "inspect" and not step.is_fault)


def next_text(protocol: str, path: Sequence[Step]) -> str | None:
    """The kind of text that a person may add after the last step; None when there is none."""
    tip = path[-1]
    if protocol in ("think", "irg"):
        if tip.kind == "prompt" or (tip.is_start and protocol == "think"):
            return "think"
        return "reflect" if protocol == "irg" and _is_done(tip) else None
    if tip.kind == "sketch":
        return "inspect"
    done = tip.kind == "inspect" and not tip.is_fault
    return "plan" if tip.kind in ("prompt", "refine", "image") or done else None


def is_drawn(settings: Settings, path: Sequence[Step]) -> bool:
    """Whether the protocol has nothing to add: the picture is drawn, as often as the settings say."""
    tip = path[-1]
    if settings.protocol == "process" or tip.is_start:
        return False
    if settings.protocol != "irg":
        return tip.image is not None
    return _is_done(tip) and sum(step.kind == "reflect" for step in path) + 1 >= settings.turns


def may_continue(protocol: str, path: Sequence[Step]) -> bool:
    """Whether one more round may be wished for once the model finds the picture complete."""
    return protocol == "process" and (path[-1].author == "model" or path[-1].is_start)


def finished_picture(path: Sequence[Step]) -> str | None:
    """The id of the picture that a branch ends with; None when something is under way on it."""
    last = path[-1]
    step = path[-2] if last.kind == "inspect" and not last.is_fault else last
    return step.id if step.image else None
