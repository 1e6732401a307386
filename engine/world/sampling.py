"""Drawing scenes by lot: which things, in which colours, in which of the world's places.

Things stand in a sky row and one or two ground rows of three columns, with a little play in place,
size and pose, so a picture is never a copy yet places stay predictable.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.world.palette import BACKGROUNDS, COLOURS, KINDS
from engine.world.scene import COLUMNS, FEET, SKY_Y, Relation, Scene, Thing, apart, holds

PLAY = 8 / 256
"""How far a thing may stand from its slot, each way."""

GAP = 5 / 256
"""The least room between the boxes of two things: their paper edges and a little air."""

SPLITS: dict[int, list[tuple[tuple[int, ...], float]]] = {
    1: [((1,), 1.0)],
    2: [((1, 1), 0.72), ((2,), 0.28)],
    3: [((1, 1, 1), 0.45), ((2, 1), 0.37), ((3,), 0.18)],
    4: [((1, 1, 1, 1), 0.42), ((2, 1, 1), 0.33), ((2, 2), 0.10), ((3, 1), 0.15)],
}
TWO_COLUMNS = [((0, 2), 0.5), ((0, 1), 0.25), ((1, 2), 0.25)]


def sample_scene(rng: random.Random, *, max_things: int = 4) -> Scene:
    """A scene of 1 to ``max_things`` (at most 4) things with some of its true relations named."""
    numbers = list(range(1, max_things + 1))
    total = rng.choices(numbers, [0.3, 0.4, 0.2, 0.1][:max_things])[0]
    place = rng.choice(BACKGROUNDS)
    while True:
        split = _lot(rng, SPLITS[total])
        kinds = pick_kinds(rng, place, len(split))
        counted = list(zip(kinds, split, strict=True))
        if sum(n for kind, n in counted if KINDS[kind].sky) <= 3:
            break
    colours = pick_colours(rng, kinds)
    wanted = [(kind, colour, n) for (kind, n), colour in zip(counted, colours, strict=True)]
    while (things := _lay_out(rng, place, wanted)) is None:
        pass
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


def make_thing(rng: random.Random, kind: str, colour: str, row: str, column: int, play: float = 1.0) -> Thing:
    """A thing in a slot, with ``play`` (0 to 1) of the usual freedom in place and size."""
    size = KINDS[kind].size * (1 + play * rng.uniform(-0.12, 0.07))
    x = COLUMNS[column] + play * rng.uniform(-PLAY, PLAY)
    y = SKY_Y if row == "sky" else FEET[row] - size / 2
    y += play * rng.uniform(-PLAY, PLAY) * (1 if row == "sky" else 0.5)
    tilt = rng.choice((-6, -3, 0, 3, 6)) if row == "sky" else rng.choice((-3, 0, 0, 3))
    return Thing(kind, colour, round(x, 4), round(y, 4), round(size, 4), rng.random() < 0.5, float(tilt))


def fits(thing: Thing, others: Sequence[Thing]) -> bool:
    """Whether a thing stays on the page and clear of the others."""
    left, top, right, bottom = thing.box
    inside = left > 0.005 and top > 0.005 and right < 0.995 and bottom < 0.99
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
        return ["above", "below"]
    return ["left of", "right of"] if (a.row == "sky") == (b.row == "sky") else []


def turned(rng: random.Random, relation: Relation) -> Relation:
    """The relation, or half of the time the same said from the other end."""
    if rng.random() < 0.5:
        return relation
    other = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    return Relation(relation.object, other[relation.name], relation.subject)


def _lot(rng: random.Random, table: list[tuple[tuple[int, ...], float]]) -> tuple[int, ...]:
    return rng.choices([row for row, _ in table], [weight for _, weight in table])[0]


def _rows(rng: random.Random, place: str, wanted: list[tuple[str, str, int]]) -> dict[int, str]:
    """A row for every group (by position in ``wanted``)."""
    ground = [i for i, (kind, _, _) in enumerate(wanted) if not KINDS[kind].sky]
    total = sum(wanted[i][2] for i in ground)
    rows = {i: "sky" for i in range(len(wanted)) if i not in ground}
    afloat = [i for i in ground if place == "sea" and wanted[i][0] == "boat"]
    if afloat or total > 3 or (len(ground) > 1 and rng.random() < 0.25):
        for i in ground:
            rows[i] = "back" if i in afloat else rng.choice(("back", "front"))
            if afloat and i not in afloat:
                rows[i] = "front"
    else:
        rows.update(dict.fromkeys(ground, "middle"))
    return rows


def _lay_out(rng: random.Random, place: str, wanted: list[tuple[str, str, int]]) -> tuple[Thing, ...] | None:
    rows = _rows(rng, place, wanted)
    slots: dict[int, list[int]] = {}
    for row in dict.fromkeys(rows.values()):
        members = [i for i in rows if rows[i] == row]
        rng.shuffle(members)
        number = sum(wanted[i][2] for i in members)
        if number > 3:
            return None
        columns = {1: (rng.randrange(3),), 2: _lot(rng, TWO_COLUMNS), 3: (0, 1, 2)}[number]
        free = list(columns)
        for i in members:
            slots[i] = [free.pop(0) for _ in range(wanted[i][2])]
    for attempt in range(12):
        things: list[Thing] = []
        for i, (kind, colour, _) in enumerate(wanted):
            for column in slots[i]:
                thing = make_thing(rng, kind, colour, rows[i], column, play=1 - attempt / 12)
                if not fits(thing, things):
                    break
                things.append(thing)
        if len(things) == sum(n for _, _, n in wanted):
            return tuple(things)
    return None
