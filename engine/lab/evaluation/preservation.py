"""Whether an edit is true in a picture, and whether all that it leaves alone is still there. Pure.

Both are told from the scene before and the scene after, so every edit that the world knows is held to the
same rules.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from engine.lab.storybook.judging.judge import Seen, SeenThing
from engine.lab.storybook.scene.differences import NEAR
from engine.lab.storybook.scene.scene import Scene, Thing

Look = tuple[str, str]
"""Kind and colour."""

MOVED = 0.17
"""How far from its new place along the row a moved thing may be seen: half the way between two columns."""


def look(thing: Thing | SeenThing) -> Look:
    return thing.kind, thing.colour


def looks(things: Iterable[Thing | SeenThing]) -> Counter[Look]:
    """How many things there are of each look."""
    return Counter(map(look, things))


def obeyed(before: Scene, after: Scene, seen: Seen) -> bool:
    """Whether what the edit changed is seen as it should be after it.

    A changed background is there, changed looks are there in their new number (none, where they went), a
    moved thing is in its new place and nowhere else, and resized ones have their new size by name.
    """
    if before.background != after.background and seen.background != after.background:
        return False
    old, new, there = looks(before.things), looks(after.things), looks(seen.things)
    if any(there[kind] != new[kind] for kind in {*old, *new} if old[kind] != new[kind]):
        return False
    if len(before.things) != len(after.things):
        return True
    pairs = [(a, b) for a, b in zip(before.things, after.things, strict=True) if look(a) == look(b)]
    resized = [b for a, b in pairs if a.scale != b.scale]
    return all(_is_where(a, b, new, seen) for a, b in pairs) and _are_as_large(resized, new, seen)


def _is_where(before: Thing, after: Thing, wanted: Counter[Look], seen: Seen) -> bool:
    if math.dist((before.x, before.y), (after.x, after.y)) <= NEAR:
        return True
    alike = [t for t in seen.things if look(t) == look(after)]
    return len(alike) == wanted[look(after)] and any(abs(t.x - after.x) < MOVED for t in alike)


def _are_as_large(things: Sequence[Thing], wanted: Counter[Look], seen: Seen) -> bool:
    sizes = Counter((look(t), t.scale) for t in things)
    there = Counter((look(t), t.scale) for t in seen.things)
    many = looks(seen.things)
    return all(there[size] >= n and many[size[0]] == wanted[size[0]] for size, n in sizes.items())


def untouched(before: Scene, after: Scene) -> tuple[Thing, ...]:
    """The things of ``before`` that stand in ``after`` just as they did."""
    return tuple(thing for thing in before.things if thing in after.things)


def kept(things: Sequence[Thing], seen: Seen | None, *, in_place: bool = True) -> list[Thing]:
    """Those of ``things`` that are seen in their kind, colour and named size, each by a figure of its own.

    ``in_place`` asks for the place too, within ``NEAR``.
    """
    spare = list(seen.things) if seen is not None else []
    found = []
    for thing in things:
        nearest = _nearest(thing, [t for t in spare if t.scale == thing.scale])
        if nearest is None:
            continue
        if not in_place or math.dist((nearest.x, nearest.y), (thing.x, thing.y)) <= NEAR:
            spare.remove(nearest)
            found.append(thing)
    return found


def share_kept(things: Sequence[Thing], seen: Seen | None, *, in_place: bool = True) -> float:
    """The share of ``things`` that are :func:`kept`; 1 when there is nothing to keep."""
    return len(kept(things, seen, in_place=in_place)) / len(things) if things else 1.0


def strangers(seen: Seen, *known: Scene) -> set[Look]:
    """The looks that are seen and that none of the ``known`` scenes has."""
    return set(looks(seen.things)) - {look(thing) for scene in known for thing in scene.things}


def preserved(
    before: Scene, after: Scene, seen: Seen | None, goal: Scene | None = None, *, in_place: bool = True
) -> bool:
    """Whether everything that the edit does not mention is as before, and nothing came that nobody wanted.

    ``goal`` is what the prompt asks for: more of that may have come since.
    """
    if seen is None or seen.background != after.background:
        return False
    if strangers(seen, before, after, goal or after):
        return False
    return share_kept(untouched(before, after), seen, in_place=in_place) == 1


def _nearest(thing: Thing, others: Sequence[SeenThing]) -> SeenThing | None:
    alike = [t for t in others if look(t) == look(thing)]
    return min(alike, key=lambda t: math.dist((t.x, t.y), (thing.x, thing.y)), default=None)
