"""One change to what a step puts down: as a person rewrites a plan, or as a plan goes against the prompt."""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.world.edits import Add, Edit, Move, Recolour, Remove, Swap, sample_edit
from engine.world.scene import Scene, Thing

TRIES = 12


def touched(edit: Edit) -> tuple[int, ...]:
    """The indices of the things that an edit speaks of."""
    match edit:
        case Recolour(indices) | Swap(indices) | Remove(indices):
            return indices
        case Move(index):
            return (index,)
    return ()


def sample_change(
    scene: Scene, coming: Sequence[Thing], within: range, rng: random.Random, kinds: Sequence[str]
) -> Edit | None:
    """An edit of ``scene`` of one of these kinds that speaks of things ``within`` or of new ones only.

    It keeps clear of the things still ``coming``, in room and in name. None if none is found.
    """
    whole = scene.with_things([*scene.things, *coming])
    for _ in range(TRIES):
        edit = sample_edit(whole, rng, kinds)
        if edit is not None and all(i in within for i in touched(edit)):
            return edit if isinstance(edit, Add) or touched(edit) else None
    return None
