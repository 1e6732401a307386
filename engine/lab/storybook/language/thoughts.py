"""What a painter thinks before a picture, and about a picture that could be better, in the world's English.

Plain words only: how a thought is wrapped for the model is the protocols' business. Source: IRG,
arXiv 2509.06945 (the parts of a reflection).
"""

from __future__ import annotations

import random
from typing import NamedTuple

from engine.lab.storybook.language.critique import repairs
from engine.lab.storybook.language.phrases import (
    PLACE,
    column_phrase,
    joined,
    relation_phrase,
    sentence,
    some,
    the,
    verb,
)
from engine.lab.storybook.language.sentences import describe
from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.palette import KINDS
from engine.lab.storybook.scene.scene import Scene

FINISHES = (
    ("the edges of {name} are not clean", "paint {name} with clean edges"),
    ("the shape of {name} is not clear", "give {name} a clear shape"),
    ("the colour of {name} is not even", "fill {name} with one even colour"),
)
"""What a finer picture does better, and how."""


class Reflection(NamedTuple):
    """What falls short, what to improve, how, step by step, and the whole picture that comes of it."""

    shortcomings: str
    improvements: str
    guidance: str
    picture: str


def thought(scene: Scene, rng: random.Random) -> str:
    """What the picture shall hold and where, before it is painted."""
    place = rng.choice(PLACE[scene.background])
    parts = [sentence(rng.choice((f"the place is {place}", f"first comes {place}", f"it shows {place}")))]
    for group in scene.groups():
        things = [scene.things[i] for i in group.indices]
        where = column_phrase(things, rng)
        name = some(group.kind, group.colour, group.count, group.scale)
        stand = "stands" if group.count == 1 else "stand"
        forms = (f"{name} {stand} {where}", f"there {verb(group.count)} {name} {where}")
        parts.append(sentence(rng.choice(forms if not KINDS[group.kind].sky else forms[1:])))
    for relation in scene.relations:
        phrase = relation_phrase(relation.name, rng)
        names = (the(scene, (i,), rng) for i in (relation.subject, relation.object))
        parts.append(sentence(f" {verb(1)} {phrase} ".join(names)))
    parts.append(rng.choice(("Nothing else is in the picture.", "That is all.", "There is nothing more.")))
    return " ".join(parts)


def reflection(now: Scene, better: Scene, rng: random.Random, *, is_rough: bool = False) -> Reflection:
    """How a picture that shows ``now`` becomes ``better``, without a word about the better picture itself.

    ``is_rough``: the picture is a painted one, whose things may also be painted more finely. Raises
    ``ValueError`` when there is nothing to improve.
    """
    mends = repairs(now, better, rng) if differences(now, better) or not is_rough else []
    if mends:
        opening = rng.choice(("The picture is not right yet.", "The picture is not yet what was asked for."))
    else:
        opening = rng.choice(("The picture is right but not fine yet.", "All is there, but it looks rough."))
    if is_rough and better.things:
        group = rng.choice(better.groups())
        wrong, order = rng.choice(FINISHES)
        name = the(better, group.indices, rng)
        mends.append((sentence(wrong.format(name=name)), sentence(order.format(name=name))))
    if not mends:
        mends = [("The background is not even.", "Paint the background evenly.")]
    kept = [
        the(better, group.indices, rng)
        for group in better.groups()
        if group.count == sum((t.kind, t.colour) == (group.kind, group.colour) for t in now.things)
    ]
    steps = [order for _, order in mends]
    if kept:
        steps.append(sentence(f"keep {joined(kept)}"))
    return Reflection(
        opening,
        " ".join(fault for fault, _ in mends),
        " ".join(f"{number}. {step}" for number, step in enumerate(steps, 1)),
        describe(better, rng),
    )
