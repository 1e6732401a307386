"""Edits: one named change to a scene that leaves everything else exactly in place.

An edit is a plain value that says all it does (an added thing comes with its place), so applying
one draws no lots. ``sample_edit`` finds one that fits the scene. The words are in ``language``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.world.palette import BACKGROUNDS, COLOURS, KINDS
from engine.world.sampling import fits, make_thing, pick_colours, pick_kinds
from engine.world.scene import FEET, Scene, Thing


@dataclass(frozen=True)
class Add:
    """New things, put after those that stand."""

    things: tuple[Thing, ...]


@dataclass(frozen=True)
class Remove:
    """Take things away."""

    indices: tuple[int, ...]


@dataclass(frozen=True)
class Recolour:
    """Give things another colour."""

    indices: tuple[int, ...]
    colour: str


@dataclass(frozen=True)
class Swap:
    """Put another kind of thing (and perhaps colour) on the same spot."""

    indices: tuple[int, ...]
    kind: str
    colour: str


@dataclass(frozen=True)
class Move:
    """Put one thing at a new centre."""

    index: int
    x: float
    y: float


@dataclass(frozen=True)
class Setting:
    """Another background under the same things."""

    background: str


Edit = Add | Remove | Recolour | Swap | Move | Setting
EDIT_KINDS = ("add", "remove", "recolour", "swap", "move", "setting")


def apply(scene: Scene, edit: Edit) -> Scene:
    """The scene after the edit. Relations that no longer hold are dropped."""
    things = list(scene.things)
    match edit:
        case Add(new):
            return scene.with_things([*things, *new])
        case Remove(indices):
            return scene.subset(i for i in range(len(things)) if i not in indices)
        case Recolour(indices, colour):
            for i in indices:
                things[i] = replace(things[i], colour=colour)
        case Swap(indices, kind, colour):
            for i in indices:
                things[i] = exchanged(things[i], kind, colour)
        case Move(index, x, y):
            things[index] = replace(things[index], x=x, y=y)
        case Setting(background):
            return replace(scene, background=background)
    return scene.with_things(things)


def exchanged(thing: Thing, kind: str, colour: str) -> Thing:
    """Another kind on a thing's spot: same centre in the sky, same feet on the ground, its own usual size."""
    size = round(thing.size * KINDS[kind].size / KINDS[thing.kind].size, 4)
    y = thing.y if KINDS[kind].sky else round(thing.y + (thing.size - size) / 2, 4)
    return replace(thing, kind=kind, colour=colour, size=size, y=y)


def sample_edit(scene: Scene, rng: random.Random, kinds: Sequence[str] = EDIT_KINDS[:5]) -> Edit | None:
    """An edit of one of the named kinds that fits the scene, or ``None`` if none does."""
    makers: dict[str, Callable[[Scene, random.Random], Edit | None]] = {
        "add": sample_add,
        "remove": _sample_remove,
        "recolour": _sample_recolour,
        "swap": _sample_swap,
        "move": sample_move,
        "setting": _sample_setting,
    }
    order = list(kinds)
    rng.shuffle(order)
    for name in order:
        edit = makers[name](scene, rng)
        if edit is not None:
            return edit
    return None


def find_place(
    rng: random.Random,
    scene: Scene,
    kind: str,
    colour: str,
    others: Sequence[Thing],
    wanted: Callable[[Thing], bool] = lambda thing: True,
) -> Thing | None:
    """A new thing in a free slot that is ``wanted``, in a row already in use if there is one."""
    rows = ["sky"] if KINDS[kind].sky else list(FEET)
    used = {other.row for other in others}
    if scene.background == "sea" and kind == "boat" and "middle" not in used:
        used.add("back")
    elif not used & set(FEET):
        used.add("middle")
    slots = [(row not in used, rng.random(), row, column) for row in rows for column in range(3)]
    for _, _, row, column in sorted(slots):
        for play in (0.8, 0.4, 0.0):
            thing = make_thing(rng, kind, colour, row, column, play)
            if fits(thing, others) and wanted(thing):
                return thing
    return None


def sample_add(scene: Scene, rng: random.Random) -> Add | None:
    """One new thing, sometimes two or three alike, of a kind that isn't there yet."""
    kind = pick_kinds(rng, scene.background, 1, [t.kind for t in scene.things])[0]
    colour = pick_colours(rng, [kind], [t.colour for t in scene.things])[0]
    count = rng.choices((1, 2, 3), (0.8, 0.14, 0.06))[0]
    new: list[Thing] = []
    for _ in range(count):
        thing = find_place(rng, scene, kind, colour, [*scene.things, *new])
        if thing is not None:
            new.append(thing)
    return Add(tuple(sorted(new, key=lambda t: t.x))) if new else None


def sample_another(scene: Scene, rng: random.Random) -> Add | None:
    """One more of a group that is there."""
    group = rng.choice(scene.groups()) if scene.things else None
    if group is None or group.count > 2:
        return None
    thing = find_place(rng, scene, group.kind, group.colour, scene.things)
    return None if thing is None else Add((thing,))


def _sample_remove(scene: Scene, rng: random.Random) -> Remove | None:
    if len(scene.things) < 2:
        return None
    group = rng.choice(scene.groups())
    if group.count > 1 and (rng.random() < 0.5 or group.count == len(scene.things)):
        return Remove((rng.choice(group.indices),))
    return Remove(group.indices) if group.count < len(scene.things) else None


def _sample_recolour(scene: Scene, rng: random.Random) -> Recolour | None:
    if not scene.things:
        return None
    group = rng.choice(scene.groups())
    taken = {t.colour for t in scene.things if t.kind == group.kind}
    return Recolour(group.indices, rng.choice([c for c in COLOURS if c not in taken]))


def _sample_swap(scene: Scene, rng: random.Random) -> Swap | None:
    if not scene.things:
        return None
    group = rng.choice(scene.groups())
    rest = [t for i, t in enumerate(scene.things) if i not in group.indices]
    there = {t.kind for t in scene.things}
    pool = [k for k in KINDS if KINDS[k].sky == KINDS[group.kind].sky and k not in there]
    rng.shuffle(pool)
    colour = group.colour if rng.random() < 0.4 else rng.choice(list(COLOURS))
    for kind in pool:
        placed: list[Thing] = []
        for i in group.indices:
            thing = exchanged(scene.things[i], kind, colour)
            if not fits(thing, [*rest, *placed]):
                break
            placed.append(thing)
        if len(placed) == group.count:
            return Swap(group.indices, kind, colour)
    return None


def sample_move(scene: Scene, rng: random.Random) -> Move | None:
    """Take a thing that stands alone in its kind and colour to a free slot in another column."""
    single = [g.indices[0] for g in scene.groups() if g.count == 1]
    rng.shuffle(single)
    for index in single:
        thing = scene.things[index]
        others = [t for i, t in enumerate(scene.things) if i != index]
        for column in rng.sample(range(3), 3):
            x = round(make_thing(rng, thing.kind, thing.colour, thing.row, column, 0.5).x, 4)
            if column != thing.column and fits(replace(thing, x=x), others):
                return Move(index, x, thing.y)
    return None


def _sample_setting(scene: Scene, rng: random.Random) -> Setting:
    return Setting(rng.choice([b for b in BACKGROUNDS if b != scene.background]))
