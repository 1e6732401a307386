"""How two scenes differ: the edits that turn one into the other, and what is still missing. No words."""

from __future__ import annotations

import math
from dataclasses import replace

from engine.lab.storybook.scene.edits import Add, Edit, Move, Recolour, Remove, Resize, Setting, Swap
from engine.lab.storybook.scene.palette import KINDS
from engine.lab.storybook.scene.scene import Group, Relation, Scene, Thing, holds

NEAR = 0.15
"""Centres closer than this are one place."""


def differences(wrong: Scene, right: Scene) -> tuple[Edit, ...]:
    """The edits that turn ``wrong`` into ``right``, in an order in which ``apply`` can run them one by one.

    Things are matched by look and place; one that is more than ``NEAR`` from its place has moved.
    """
    edits: list[Edit] = [] if wrong.background == right.background else [Setting(right.background)]
    pairs = _match(wrong, right)
    for have, want in pairs.items():
        old, new = wrong.things[have], right.things[want]
        if old.kind != new.kind:
            edits.append(Swap((have,), new.kind, new.colour))
        elif old.colour != new.colour:
            edits.append(Recolour((have,), new.colour))
        if old.scale != new.scale:
            edits.append(Resize((have,), new.scale))
        if math.dist((old.x, old.y), (new.x, new.y)) > NEAR:
            edits.append(Move(have, new.x, new.y))
    edits = _together(edits)
    missing = [t for i, t in enumerate(right.things) if i not in pairs.values()]
    extra = tuple(i for i in range(len(wrong.things)) if i not in pairs)
    if missing:
        edits.append(Add(tuple(missing)))
    if extra:
        edits.append(Remove(extra))
    return tuple(edits)


def _match(wrong: Scene, right: Scene) -> dict[int, int]:
    pairs: dict[int, int] = {}
    options = []
    for i, a in enumerate(wrong.things):
        for j, b in enumerate(right.things):
            far = math.dist((a.x, a.y), (b.x, b.y))
            kind, colour, near = a.kind == b.kind, a.colour == b.colour, far <= NEAR
            if kind and colour:
                rank = 0 if near else 3
            elif near and KINDS[a.kind].sky == KINDS[b.kind].sky:
                rank = 1 if kind else 2
            else:
                continue
            options.append((rank, far, i, j))
    for _, _, i, j in sorted(options):
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _together(edits: list[Edit]) -> list[Edit]:
    """Recolours, resizes and swaps to the same look as one edit."""
    merged: dict[tuple[object, ...], Edit] = {}
    for edit in edits:
        match edit:
            case Recolour(indices, colour):
                key: tuple[object, ...] = ("recolour", colour)
                before = merged.get(key)
                merged[key] = Recolour(
                    (*(before.indices if isinstance(before, Recolour) else ()), *indices), colour
                )
            case Resize(indices, scale):
                key = ("resize", scale)
                before = merged.get(key)
                merged[key] = Resize(
                    (*(before.indices if isinstance(before, Resize) else ()), *indices), scale
                )
            case Swap(indices, kind, colour):
                key = ("swap", kind, colour)
                before = merged.get(key)
                merged[key] = Swap(
                    (*(before.indices if isinstance(before, Swap) else ()), *indices), kind, colour
                )
            case _:
                merged["other", len(merged)] = edit
    return list(merged.values())


def pending_groups(now: Scene, whole: Scene) -> tuple[Group, ...]:
    """What the whole scene holds beyond ``now``: groups with the indices (in ``whole``) still to come."""
    there = {(g.kind, g.colour): g.count for g in now.groups()}
    later = []
    for group in whole.groups():
        done = there.get((group.kind, group.colour), 0)
        if done < group.count:
            later.append(replace(group, indices=group.indices[done:]))
    return tuple(later)


def with_relations(after: Scene, right: Scene) -> Scene:
    """``after`` with those relations of ``right`` that it shows, so that an order can speak of them."""
    at = {
        i: next((k for k, t in enumerate(after.things) if _same(t, want)), None)
        for i, want in enumerate(right.things)
    }
    found = []
    for relation in right.relations:
        a, b = at[relation.subject], at[relation.object]
        if a is not None and b is not None and holds(after.things[a], relation.name, after.things[b]):
            found.append(Relation(a, relation.name, b))
    return replace(after, relations=tuple(found))


def _same(a: Thing, b: Thing) -> bool:
    return a.kind == b.kind and a.colour == b.colour and math.dist((a.x, a.y), (b.x, b.y)) <= NEAR
