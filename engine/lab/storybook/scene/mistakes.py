"""Scenes that went wrong in one way, to practise inspection and repair on."""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.edits import (
    Edit,
    Remove,
    apply,
    sample_add,
    sample_another,
    sample_edit,
    sample_move,
)
from engine.lab.storybook.scene.scene import Scene

MISTAKES = {
    "recolour": 0.25,
    "swap": 0.16,
    "resize": 0.11,
    "move": 0.16,
    "missing": 0.13,
    "add": 0.09,
    "count": 0.07,
    "setting": 0.03,
}


def sample_mistake(right: Scene, rng: random.Random, newest: Sequence[int] = ()) -> Scene:
    """A scene that went wrong in one way; ``newest`` are the things that may have been left out.

    The mistake is a wrong colour, kind, size, side, count or background, a missing thing or one too many.
    """
    while True:
        name = rng.choices(list(MISTAKES), list(MISTAKES.values()))[0]
        edit: Edit | None
        if name == "missing":
            groups = [g for g in right.groups() if not newest or set(g.indices) & set(newest)]
            edit = Remove(rng.choice(groups).indices) if groups else None
        elif name == "count":
            edit = sample_another(right, rng) if rng.random() < 0.5 else _one_less(right, rng)
        elif name == "add":
            edit = sample_add(right, rng)
        elif name == "move":
            edit = sample_move(right, rng)
        else:
            edit = sample_edit(right, rng, (name,))
        if edit is not None:
            wrong = apply(right, edit)
            if differences(wrong, right):
                return wrong


def _one_less(right: Scene, rng: random.Random) -> Remove | None:
    groups = [g for g in right.groups() if g.count > 1]
    return Remove((rng.choice(rng.choice(groups).indices),)) if groups else None
