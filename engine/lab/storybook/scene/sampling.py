"""Samples random scenes: which things, in which colours and sizes, in which of the world's places.

Things stand in one or two sky rows and one or two ground rows of three columns, with a little play in place,
size and pose, so a picture is never a copy yet places stay predictable.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.lab.storybook.scene.palette import BACKGROUNDS, COLOURS, KINDS, SIZES
from engine.lab.storybook.scene.scene import (
    COLUMNS,
    FEET,
    OPPOSITE,
    SKY_Y,
    Relation,
    Scene,
    Thing,
    apart,
    holds,
)

PLAY = 8 / 256
"""How far a thing may stand from its slot, each way."""

RIM = 0.018
"""Room between a thing and the rim of the page."""

GAP = 5 / 256
"""The least room between the boxes of two things: their paper edges and a little air."""

SPLITS: dict[int, list[tuple[tuple[int, ...], float]]] = {
    1: [((1,), 1.0)],
    2: [((1, 1), 0.72), ((2,), 0.28)],
    3: [((1, 1, 1), 0.45), ((2, 1), 0.37), ((3,), 0.18)],
    4: [((1, 1, 1, 1), 0.34), ((2, 1, 1), 0.27), ((2, 2), 0.09), ((3, 1), 0.12), ((4,), 0.18)],
    5: [((1, 1, 1, 1, 1), 0.3), ((2, 1, 1, 1), 0.26), ((2, 2, 1), 0.12), ((3, 1, 1), 0.12), ((3, 2), 0.08),
        ((4, 1), 0.12)],
}  # fmt: skip
TWO_COLUMNS = [((0, 2), 0.5), ((0, 1), 0.25), ((1, 2), 0.25)]
TOTALS = (0.3, 0.34, 0.19, 0.1, 0.07)
SHARES_OF_SIZES = {"small": 0.16, "medium": 0.66, "large": 0.18}


@dataclass(frozen=True)
class _Wish:
    """A group to be placed."""

    kind: str
    colour: str
    scale: str
    count: int


def sample_scene(rng: random.Random, *, max_things: int = 5) -> Scene:
    """A scene of 1 to ``max_things`` (at most 5) things with some of its true relations named."""
    numbers = list(range(1, max_things + 1))
    total = rng.choices(numbers, TOTALS[:max_things])[0]
    place = rng.choice(BACKGROUNDS)
    while True:
        split = _lot(rng, SPLITS[total])
        kinds = pick_kinds(rng, place, len(split))
        colours = pick_colours(rng, kinds)
        scales = [pick_scale(rng) for _ in kinds]
        things = _lay_out(rng, place, list(map(_Wish, kinds, colours, scales, split)))
        if things is not None:
            return Scene(place, things, sample_relations(rng, things))


def pick_kinds(rng: random.Random, place: str, number: int, taken: Sequence[str] = ()) -> list[str]:
    """Different kinds, those at home in ``place`` more often."""
    chosen: list[str] = []
    for _ in range(number):
        pool = [k for k in KINDS if k not in chosen and k not in taken]
        weights = [(0.8 if KINDS[k].sky else 1.2) + KINDS[k].loves.count(place) * 0.6 for k in pool]
        chosen.append(rng.choices(pool, weights)[0])
    return chosen


def pick_colours(rng: random.Random, kinds: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """A colour a kind: often the natural one, seldom one that is already there."""
    chosen: list[str] = []
    for kind in kinds:
        colour = KINDS[kind].natural if rng.random() < 0.3 else rng.choice(list(COLOURS))
        while (colour in chosen or colour in taken) and rng.random() < 0.85:
            colour = rng.choice(list(COLOURS))
        chosen.append(colour)
    return chosen


def pick_scale(rng: random.Random) -> str:
    """A named size."""
    return rng.choices(list(SHARES_OF_SIZES), list(SHARES_OF_SIZES.values()))[0]


def make_thing(
    rng: random.Random,
    kind: str,
    colour: str,
    row: str,
    column: int,
    play: float = 1.0,
    scale: str = "medium",
) -> Thing:
    """A thing in a slot, with ``play`` (0 to 1) of the usual freedom in place and size."""
    size = KINDS[kind].size * SIZES[scale] * (1 + play * rng.uniform(-0.07, 0.07))
    x = COLUMNS[column] + play * rng.uniform(-PLAY, PLAY)
    y = SKY_Y[row] if row in SKY_Y else FEET[row] - size / 2
    y += play * rng.uniform(-PLAY, PLAY) * (1 if row in SKY_Y else 0.5)
    tilt = rng.choice((-6, -3, 0, 3, 6)) if row in SKY_Y else rng.choice((-3, 0, 0, 3))
    thing = Thing(kind, colour, round(x, 4), round(y, 4), round(size, 4), rng.random() < 0.5, float(tilt))
    return on_page(thing)


def on_page(thing: Thing) -> Thing:
    """The thing, or the nearest one that keeps clear of the rim."""
    across, down = thing.size * KINDS[thing.kind].aspect / 2 + RIM, thing.size / 2 + RIM
    x, y = min(max(thing.x, across), 1 - across), min(max(thing.y, down), 1 - down)
    return replace(thing, x=round(x, 4), y=round(y, 4))


def fits(thing: Thing, others: Sequence[Thing]) -> bool:
    """Whether a thing stays on the page and clear of the others."""
    left, top, right, bottom = thing.box
    inside = left > 0.005 and top > 0.005 and right < 0.995 and bottom < 0.995
    return inside and all(apart(thing, other, GAP) for other in others)


def sample_relations(rng: random.Random, things: Sequence[Thing]) -> tuple[Relation, ...]:
    """Some true relations between things that stand alone in their kind and colour."""
    looks = [(t.kind, t.colour) for t in things]
    single = [i for i, look in enumerate(looks) if looks.count(look) == 1]
    pairs = [(a, b) for a in single for b in single if a < b]
    rng.shuffle(pairs)
    limit = rng.choices((0, 1, 2), (0.25, 0.55, 0.2))[0]
    chosen: list[Relation] = []
    for a, b in pairs:
        names = [name for name in plain_relations(things[a], things[b]) if holds(things[a], name, things[b])]
        if len(chosen) < limit and names:
            chosen.append(Relation(a, rng.choice(names), b))
    return tuple(turned(rng, relation) for relation in chosen)


def plain_relations(a: Thing, b: Thing) -> list[str]:
    """The relations worth saying: sideways in different columns, up and down within one."""
    if a.column == b.column:
        return [name for name in OPPOSITE if name not in ("left of", "right of")]
    return ["left of", "right of"] if KINDS[a.kind].sky == KINDS[b.kind].sky else []


def turned(rng: random.Random, relation: Relation) -> Relation:
    """The relation, or half of the time the same said from the other end."""
    if rng.random() < 0.5:
        return relation
    return Relation(relation.object, OPPOSITE[relation.name], relation.subject)


def _lot(rng: random.Random, table: Sequence[tuple[tuple[int, ...], float]]) -> tuple[int, ...]:
    return rng.choices([row for row, _ in table], [weight for _, weight in table])[0]


def _rows(rng: random.Random, place: str, wishes: Sequence[_Wish]) -> list[list[str]]:
    """A row for every thing of every wish: one row a wish, two for four alike."""
    ground = sum(w.count for w in wishes if not KINDS[w.kind].sky)
    groups = sum(not KINDS[w.kind].sky for w in wishes)
    afloat = place == "sea" and any(w.kind == "boat" for w in wishes)
    deep = afloat or ground > 3 or (groups > 1 and rng.random() < 0.35)
    found = []
    for wish in wishes:
        if KINDS[wish.kind].sky:
            rows = ["sky"] * wish.count if wish.count < 4 else _four(rng, "sky", "low")
        elif wish.count == 4:
            rows = _four(rng, "back", "front")
        elif place == "sea" and wish.kind == "boat":
            rows = ["back"] * wish.count
        elif deep:
            rows = [rng.choice(("back", "front")) if not afloat else "front"] * wish.count
        else:
            rows = ["middle"] * wish.count
        found.append(rows)
    return found


def _four(rng: random.Random, first: str, second: str) -> list[str]:
    upper = rng.choice((2, 2, 3))
    return [first] * upper + [second] * (4 - upper)


def _columns(rng: random.Random, number: int, used: Sequence[int]) -> tuple[int, ...]:
    """Columns for a row; what is alone in its row often stands above or behind something."""
    if number == 1:
        return (rng.choice(used) if used and rng.random() < 0.5 else rng.randrange(3),)
    return _lot(rng, TWO_COLUMNS) if number == 2 else (0, 1, 2)


def _lay_out(rng: random.Random, place: str, wishes: Sequence[_Wish]) -> tuple[Thing, ...] | None:
    """Every wish in slots of its own; None if the page has no room for them."""
    rows = _rows(rng, place, wishes)
    slots: list[list[tuple[str, int]]] = [[] for _ in wishes]
    for row in dict.fromkeys(row for own in rows for row in own):
        members = [i for i, own in enumerate(rows) for r in own if r == row]
        if len(members) > 3:
            return None
        order = list(dict.fromkeys(members))
        rng.shuffle(order)
        members.sort(key=order.index)
        used = [column for own in slots for _, column in own]
        for i, column in zip(members, _columns(rng, len(members), used), strict=True):
            slots[i].append((row, column))
    for attempt in range(12):
        things: list[Thing] = []
        for wish, own in zip(wishes, slots, strict=True):
            for row, column in own:
                thing = make_thing(
                    rng, wish.kind, wish.colour, row, column, play=1 - attempt / 12, scale=wish.scale
                )
                if not fits(thing, things):
                    break
                things.append(thing)
        if len(things) == sum(wish.count for wish in wishes):
            return tuple(things)
    return None
