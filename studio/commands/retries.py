"""What earlier runs mean for the next one: what broke off, how often it failed, which seeds are used.

Beside its settings a stored run keeps what else was asked for: ``after``, the step it began from, ``more``,
one more round than the model would make, and ``attempt``, the number of a new seed. Old runs lack them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.core.settings import Settings
from engine.core.trajectory import Step
from sessions import Run, Session

BROKE_OFF = frozenset({"failed", "cancelled", "lost"})


def broke_off_polishing(session: Session, runs: Sequence[Run], tip: Step) -> bool:
    """Whether a branch's newest run was to polish the picture at its end and made nothing of it."""
    newest = runs[0] if runs else None
    if newest is None or newest.state not in BROKE_OFF or tip.image is None:
        return False
    if newest.settings.get("after") not in (None, tip.id):
        return False
    return newest.settings.get("protocol") == "irg" != session.settings.get("protocol")


def broke_off_one_more(runs: Sequence[Run], tip: Step) -> bool:
    """Whether a branch's newest run was to make one more round and did not even come to its plan."""
    newest = runs[0] if runs else None
    if newest is None or newest.state not in BROKE_OFF:
        return False
    return bool(newest.settings.get("more")) and newest.settings.get("after") == tip.id


def broke_off_attempt(runs: Sequence[Run], tip: Step) -> int | None:
    """The attempt that a branch's newest run was asked for, if it didn't even come to its first step."""
    newest = runs[0] if runs else None
    if newest is None or newest.state not in BROKE_OFF or newest.settings.get("after") != tip.id:
        return None
    return int(newest.settings.get("attempt", 0))


def next_attempt(steps: Iterable[Step], runs: Iterable[Run], parent: str) -> int:
    """An attempt after ``parent`` by which no step was made there, and which no run was asked for."""
    made = (int(step.recipe.get("attempt", 0)) for step in steps if step.parent == parent)
    asked = (int(run.settings.get("attempt", 0)) for run in runs if run.settings.get("after") == parent)
    return 1 + max([*made, *asked], default=0)


def failures(runs: Sequence[Run], path: Sequence[Step]) -> int:
    """How many of a branch's runs failed since the person's newest card on it; ``path`` leads to its end."""
    mine = max((at for at, step in enumerate(path) if step.author == "person"), default=0)
    since = {None, *(step.id for step in path[mine:])}
    return sum(run.state == "failed" and run.settings.get("after") in since for run in runs)


def unused_attempt(steps: Mapping[str, Step], step: Step, settings: Settings) -> int:
    """The first attempt, from 0, that these settings did not have after this step."""
    used = {
        s.recipe.get("attempt", 0)
        for s in steps.values()
        if s.parent == step.id and _went_by(s.recipe, settings)
    }
    return next(number for number in range(len(used) + 1) if number not in used)


def _went_by(recipe: Mapping[str, Any], settings: Settings) -> bool:
    """Whether a step was made by these settings.

    A text made again is written at a temperature of its own, and a protocol may have a preset for a
    picture; neither is the person's choice. A setting that was unknown then had its usual value.
    """
    made = Settings().as_dict() | recipe.get("settings", {})  # a step may be older than a setting
    own = {"temperature", *recipe.get("preset", ())}
    return all(made.get(name) == value for name, value in settings.as_dict().items() if name not in own)
