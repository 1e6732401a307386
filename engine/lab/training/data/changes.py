"""One change to what a step puts down: as a person rewrites a plan, or as a plan goes against the prompt."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from engine.lab.storybook.scene.edits import Edit, Move, Recolour, Remove, Resize, Swap, sample_edit
from engine.lab.storybook.scene.scene import Scene, Thing

TRIES = 12


def sample_change(
    scene: Scene, coming: Sequence[Thing], within: range, rng: random.Random, kinds: Sequence[str]
) -> Edit | None:
    """An edit of ``scene`` of one of these kinds that speaks of things ``within`` or of new ones only.

    It keeps clear of the things still ``coming``, in room and in name. None if none is found.
    """
    whole = scene.with_things([*scene.things, *coming])
    for _ in range(TRIES):
        edit = sample_edit(whole, rng, kinds)
        if edit is not None and all(index in within for index in touched(edit)):
            return edit
    return None


def touched(edit: Edit) -> tuple[int, ...]:
    """The indices of the standing things that an edit speaks of."""
    match edit:
        case Recolour(indices) | Resize(indices) | Swap(indices) | Remove(indices):
            return indices
        case Move(index):
            return (index,)
    return ()


def by_lot(weights: Mapping[str, float], rng: random.Random) -> list[str]:
    """The names in an order drawn by weight: the first as often as its weight says."""
    return sorted(weights, key=lambda name: rng.random() ** (1 / weights[name]), reverse=True)
