"""Scenes: what is in a picture and where, as plain frozen values. Sampling them is in ``sampling``.

Positions are centres in [0, 1] (y down); a thing's size is its height as a share of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from engine.lab.storybook.scene.palette import BACKGROUNDS, COLOURS, KINDS, size_name

OPPOSITE = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "in front of": "behind",
    "behind": "in front of",
}
RELATIONS = tuple(OPPOSITE)
"""Among things on the ground the lower one stands in front; above and below need the sky."""

MARGIN = 0.12
"""How far apart two centres must be for a relation to be called true."""

COLUMNS = (0.17, 0.5, 0.83)
SKY_Y = {"sky": 0.172, "low": 0.49}
"""Where the middles of things in the sky are, by row."""

FEET = {"back": 0.65, "middle": 0.81, "front": 0.955}
"""Where the feet of ground things stand, by row."""


@dataclass(frozen=True)
class Thing:
    """One figure. ``tilt`` in degrees. Raises ``ValueError`` for a kind or colour the world lacks."""

    kind: str
    colour: str
    x: float
    y: float
    size: float
    flip: bool = False
    tilt: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"the world has no kind {self.kind!r}; it has {', '.join(KINDS)}")
        if self.colour not in COLOURS:
            raise ValueError(f"the world has no colour {self.colour!r}; it has {', '.join(COLOURS)}")

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        width = self.size * KINDS[self.kind].aspect
        return self.x - width / 2, self.y - self.size / 2, self.x + width / 2, self.y + self.size / 2

    @property
    def row(self) -> str:
        """``sky`` or ``low`` in the sky, ``back``, ``middle`` or ``front`` on the ground."""
        if KINDS[self.kind].sky:
            return min(SKY_Y, key=lambda name: abs(SKY_Y[name] - self.y))
        return min(FEET, key=lambda name: abs(FEET[name] - self.foot))

    @property
    def foot(self) -> float:
        return self.y + self.size / 2

    @property
    def scale(self) -> str:
        """``small``, ``medium`` or ``large``, for its kind."""
        return size_name(self.size / KINDS[self.kind].size)

    @property
    def column(self) -> int:
        """0 left, 1 middle, 2 right."""
        return min(range(3), key=lambda c: abs(COLUMNS[c] - self.x))


@dataclass(frozen=True)
class Relation:
    """``things[subject]`` is ``name`` (one of ``RELATIONS``) ``things[object]``."""

    subject: int
    name: str
    object: int


@dataclass(frozen=True)
class Group:
    """Things of one kind and colour, spoken of together; ``indices`` point into the scene's things.

    ``scale`` is the first one's named size: sampled scenes have one size a group.
    """

    kind: str
    colour: str
    indices: tuple[int, ...]
    scale: str = "medium"

    @property
    def count(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class Scene:
    """A whole picture. Raises ``ValueError`` for an unknown background."""

    background: str
    things: tuple[Thing, ...] = ()
    relations: tuple[Relation, ...] = ()

    def __post_init__(self) -> None:
        if self.background not in BACKGROUNDS:
            raise ValueError(f"the world has no place {self.background!r}; it has {', '.join(BACKGROUNDS)}")

    def groups(self) -> tuple[Group, ...]:
        """The things by kind and colour, in order of first appearance."""
        found: dict[tuple[str, str], list[int]] = {}
        for index, thing in enumerate(self.things):
            found.setdefault((thing.kind, thing.colour), []).append(index)
        return tuple(
            Group(kind, colour, tuple(where), self.things[where[0]].scale)
            for (kind, colour), where in found.items()
        )

    def subset(self, indices: Iterable[int]) -> Scene:
        """The same place with only these things, unmoved, in the order given.

        Relations stay whose both ends stay. Raises ``IndexError`` for a thing that isn't there.
        """
        keep = list(dict.fromkeys(indices))
        new = {old: position for position, old in enumerate(keep)}
        relations = tuple(
            Relation(new[r.subject], r.name, new[r.object])
            for r in self.relations
            if r.subject in new and r.object in new
        )
        return Scene(self.background, tuple(self.things[i] for i in keep), relations)

    def with_things(self, things: Iterable[Thing]) -> Scene:
        """The same place with other things, index by index; relations that no longer hold are dropped."""
        things = tuple(things)
        relations = tuple(
            r
            for r in self.relations
            if max(r.subject, r.object) < len(things) and holds(things[r.subject], r.name, things[r.object])
        )
        return replace(self, things=things, relations=relations)


class Placed(Protocol):
    """What stands somewhere: a thing of a scene, or one that is seen."""

    @property
    def x(self) -> float: ...

    @property
    def y(self) -> float: ...

    @property
    def foot(self) -> float: ...


def holds(a: Thing, name: str, b: Thing) -> bool:
    """Whether ``a`` is ``name`` ``b`` by at least ``MARGIN``, in a relation that fits where the two are."""
    grounded = not (KINDS[a.kind].sky or KINDS[b.kind].sky)
    deep = name in ("in front of", "behind")
    return (deep == grounded or name in ("left of", "right of")) and gap(a, name, b) >= MARGIN


def gap(a: Placed, name: str, b: Placed) -> float:
    """How far ``a`` is ``name`` ``b``: between their centres, or in depth between their feet."""
    match name:
        case "left of":
            return b.x - a.x
        case "above":
            return b.y - a.y
        case "behind":
            return b.foot - a.foot
    return -gap(a, OPPOSITE[name], b)


def apart(a: Thing, b: Thing, gap: float) -> bool:
    """Whether two things' boxes keep ``gap`` between them."""
    (al, at, ar, ab), (bl, bt, br, bb) = a.box, b.box
    return max(al - br, bl - ar, at - bb, bt - ab) >= gap
