"""What an edit leaves alone, and how much of it is still there in a picture. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.world.critique import NEAR
from engine.world.edits import Add, Edit, Move, Recolour, Remove, Resize, Swap
from engine.world.judge import Seen
from engine.world.scene import Scene, Thing


def untouched(before: Scene, edit: Edit) -> tuple[Thing, ...]:
    """The things of ``before`` that the edit does not mention."""
    match edit:
        case Recolour(indices) | Resize(indices) | Swap(indices) | Remove(indices):
            touched = set(indices)
        case Move(index):
            touched = {index}
        case Add():
            touched = set()
        case _:
            return before.things
    return tuple(thing for i, thing in enumerate(before.things) if i not in touched)


def share_kept(things: Sequence[Thing], seen: Seen | None, *, in_place: bool = True) -> float:
    """The share of ``things`` that are seen in their kind and colour, each by a figure of its own.

    ``in_place`` asks for the place too, within ``NEAR``. 1 when there is nothing to keep.
    """
    spare = list(seen.things) if seen is not None else []
    kept = 0
    for thing in things:
        alike = [t for t in spare if (t.kind, t.colour) == (thing.kind, thing.colour)]
        nearest = min(alike, key=lambda t: math.dist((t.x, t.y), (thing.x, thing.y)), default=None)
        if nearest is None:
            continue
        if not in_place or math.dist((nearest.x, nearest.y), (thing.x, thing.y)) <= NEAR:
            spare.remove(nearest)
            kept += 1
    return kept / len(things) if things else 1.0


def preserved(before: Scene, edit: Edit, seen: Seen | None, *, in_place: bool = True) -> bool:
    """Whether everything that the edit does not mention is as before, the background too.

    The edit may be any but a change of the background.
    """
    if seen is None or seen.background != before.background:
        return False
    return share_kept(untouched(before, edit), seen, in_place=in_place) == 1
