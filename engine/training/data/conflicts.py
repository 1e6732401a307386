"""Plans against the prompt: steps that fit it so far, and plans that ask for what it does not allow.

Papers, process-driven generation, instruction-intermediate conflicts. A conflict is always one that the
prompt's own words show: a colour, kind, number, named relation or place, or a thing nobody asked for. What
a plan leaves for later is never one. Telling them as lessons is in ``cases`` and ``process``.
"""

from __future__ import annotations

import random

from engine.training.data.chains import Step
from engine.training.data.changes import sample_change
from engine.world.edits import Edit, Setting, apply, sample_another
from engine.world.palette import BACKGROUNDS
from engine.world.parse import parse_prompt
from engine.world.scene import Scene

POSITIVE = 6905 / 15201
"""The share of steps that fit (papers: 6,905 positive of 15,201)."""

CONFLICTS = {"recolour": 0.3, "swap": 0.2, "add": 0.15, "count": 0.1, "relation": 0.17, "setting": 0.08}


def sample_conflict(step: Step, prompt: str, rng: random.Random) -> Scene | None:
    """What a plan would lead to that asks for something else than ``step``; None if nothing offers itself.

    Only what the step puts down is wrong, and only where ``prompt`` is against it.
    """
    names = sorted(CONFLICTS, key=lambda name: rng.random() ** (1 / CONFLICTS[name]), reverse=True)
    for name in names:
        edit = _sample(name, step, prompt, rng)
        if edit is not None:
            return apply(step.after, edit)
    return None


def _sample(name: str, step: Step, prompt: str, rng: random.Random) -> Edit | None:
    right, new = step.after, step.newest
    if name == "setting":
        others = [place for place in BACKGROUNDS if place != right.background]
        return Setting(rng.choice(others)) if step.before is None else None
    if name == "count":
        edit = sample_another(right.with_things([*right.things, *step.coming]), rng)
        looks = {(right.things[i].kind, right.things[i].colour) for i in new}
        return edit if edit and (edit.things[0].kind, edit.things[0].colour) in looks else None
    kinds = ("move",) if name == "relation" else (name,)
    edit = sample_change(right, step.coming, new, rng, kinds)
    if edit is None:
        return None
    if name == "relation":
        return edit if len(apply(right, edit).relations) < len(right.relations) else None
    if name == "recolour":
        return edit if right.things[edit.indices[0]].kind not in _of_any_colour(prompt) else None
    return edit


def _of_any_colour(prompt: str) -> set[str]:
    spec = parse_prompt(prompt)
    return {want.kind for want in spec.wants if want.colour is None} if spec else set()
