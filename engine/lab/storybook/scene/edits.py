"""Edits: one named change to a scene that leaves everything else exactly in place.

An edit is a plain value that says all it does (an added thing comes with its place), so applying
one draws no lots. ``sample_edit`` finds one that fits the scene. The words are in ``language``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.lab.storybook.scene.palette import BACKGROUNDS, COLOURS, KINDS, SIZES
from engine.lab.storybook.scene.sampling import (
    fits,
    make_thing,
    on_page,
    pick_colours,
    pick_kinds,
    pick_scale,
)
from engine.lab.storybook.scene.scene import FEET, SKY_Y, Scene, Thing


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
class Resize:
    """Give things another named size, on the same spot."""

    indices: tuple[int, ...]
    scale: str


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


Edit = Add | Remove | Recolour | Resize | Swap | Move | Setting
EDIT_KINDS = ("add", "remove", "recolour", "resize", "swap", "move", "setting")


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
        case Resize(indices, scale):
            for i in indices:
                things[i] = resized(things[i], scale)
        case Swap(indices, kind, colour):
            for i in indices:
                things[i] = exchanged(things[i], kind, colour)
        case Move(index, x, y):
            things[index] = replace(things[index], x=x, y=y)
        case Setting(background):
            return replace(scene, background=background)
    return scene.with_things(things)


def exchanged(thing: Thing, kind: str, colour: str) -> Thing:
    """Another kind on a thing's spot, as large for its kind: same centre in the sky, same feet otherwise."""
    return _grown(thing, kind, colour, thing.size * KINDS[kind].size / KINDS[thing.kind].size)


def resized(thing: Thing, scale: str) -> Thing:
    """The same thing in a named size: same centre in the sky, same feet on the ground, kept on the page."""
    return on_page(_grown(thing, thing.kind, thing.colour, thing.size * SIZES[scale] / SIZES[thing.scale]))


def _grown(thing: Thing, kind: str, colour: str, size: float) -> Thing:
    y = thing.y if KINDS[kind].sky else thing.y + (thing.size - size) / 2
    return replace(thing, kind=kind, colour=colour, size=round(size, 4), y=round(y, 4))


def sample_edit(scene: Scene, rng: random.Random, kinds: Sequence[str] = EDIT_KINDS[:6]) -> Edit | None:
    """An edit of one of the named kinds that fits the scene, or ``None`` if none does."""
    makers: dict[str, Callable[[Scene, random.Random], Edit | None]] = {
        "add": sample_add,
        "remove": _sample_remove,
        "recolour": _sample_recolour,
        "resize": _sample_resize,
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
    scale: str = "medium",
) -> Thing | None:
    """A new thing in a free slot that is ``wanted``, in a row already in use if there is one."""
    rows = list(SKY_Y) if KINDS[kind].sky else list(FEET)
    used = {other.row for other in others}
    if scene.background == "sea" and kind == "boat" and "middle" not in used:
        used.add("back")
    elif not used & set(FEET):
        used.add("middle")
    used.add("sky")
    slots = [(row not in used, rng.random(), row, column) for row in rows for column in range(3)]
    for _, _, row, column in sorted(slots):
        for play in (0.8, 0.4, 0.0):
            thing = make_thing(rng, kind, colour, row, column, play, scale)
            if fits(thing, others) and wanted(thing):
                return thing
    return None


def sample_add(scene: Scene, rng: random.Random) -> Add | None:
    """One new thing, sometimes two to four alike, of a kind that isn't there yet."""
    for _ in range(6):  # a large thing often finds no room
        kind = pick_kinds(rng, scene.background, 1, [t.kind for t in scene.things])[0]
        colour = pick_colours(rng, [kind], [t.colour for t in scene.things])[0]
        scale, count = pick_scale(rng), rng.choices((1, 2, 3, 4), (0.78, 0.13, 0.05, 0.04))[0]
        new: list[Thing] = []
        for _ in range(count):
            thing = find_place(rng, scene, kind, colour, [*scene.things, *new], scale=scale)
            if thing is not None:
                new.append(thing)
        if new:
            return Add(tuple(sorted(new, key=lambda t: t.x)))
    return None


def sample_another(scene: Scene, rng: random.Random) -> Add | None:
    """One more of a group that is there."""
    group = rng.choice(scene.groups()) if scene.things else None
    if group is None or group.count > 3:
        return None
    thing = find_place(rng, scene, group.kind, group.colour, scene.things, scale=group.scale)
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


def _sample_resize(scene: Scene, rng: random.Random) -> Resize | None:
    if not scene.things:
        return None
    group = rng.choice(scene.groups())
    rest = [t for i, t in enumerate(scene.things) if i not in group.indices]
    for scale in rng.sample([s for s in SIZES if s != group.scale], 2):
        placed: list[Thing] = []
        for i in group.indices:
            thing = resized(scene.things[i], scale)
            if not fits(thing, [*rest, *placed]):
                break
            placed.append(thing)
        if len(placed) == group.count:
            return Resize(group.indices, scale)
    return None


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
            x = make_thing(rng, thing.kind, thing.colour, thing.row, column, 0.5, thing.scale).x
            if column != thing.column and fits(replace(thing, x=x), others):
                return Move(index, x, thing.y)
    return None


def _sample_setting(scene: Scene, rng: random.Random) -> Setting:
    return Setting(rng.choice([b for b in BACKGROUNDS if b != scene.background]))
