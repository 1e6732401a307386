"""Phrases: how a thing, a group, a place and a relation are named in a scene. No whole sentences."""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.lab.storybook.scene.scene import OPPOSITE, Group, Relation, Scene, Thing, holds

COUNTS = ("no", "one", "two", "three", "four", "five", "six")
COLUMN_WORDS = (
    ("on the left", "on the left side"),
    ("in the middle", "in the centre"),
    ("on the right", "on the right side"),
)
SETTING = {
    "meadow": ("on a meadow", "in a meadow", "on the meadow"),
    "night": ("at night", "in the night", "on a dark night"),
    "sea": ("by the sea", "at the sea", "on the beach"),
    "snow": ("in the snow", "in winter", "on a snowy day"),
    "desert": ("in the desert", "in a desert", "in the hot desert"),
}
PLACE = {
    "meadow": ("a meadow", "a meadow with soft hills"),
    "night": ("a night scene", "a dark night", "hills at night"),
    "sea": ("the sea", "a beach by the sea"),
    "snow": ("a snow scene", "snowy hills"),
    "desert": ("a desert", "a hot desert"),
}
DEPTHS = {
    "sky": "in the sky ",
    "low": "low in the sky ",
    "front": "in front ",
    "back": "at the back ",
    "middle": "",
}
RELATION_WORDS = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
    "in front of": ("in front of",),
    "behind": ("behind",),
}


def joined(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + "."


def plural(kind: str, count: int) -> str:
    return kind if count == 1 else kind + "s"


def some(kind: str, colour: str | None, count: int = 1, scale: str = "medium") -> str:
    """``a red house``, ``an orange cat``, ``two small boats``."""
    size = "" if scale == "medium" else scale
    noun = " ".join(word for word in (size, colour, plural(kind, count)) if word)
    if count > 1:
        return f"{COUNTS[count]} {noun}"
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def the(scene: Scene, indices: Sequence[int], rng: random.Random) -> str:
    """A definite name that fits these things (of one kind and colour) and no others in the scene."""
    first = scene.things[indices[0]]
    group = next(g for g in scene.groups() if indices[0] in g.indices)
    alone = all(t.kind != first.kind or t.colour == first.colour for t in scene.things)
    colour = "" if alone and rng.random() < 0.5 else f"{first.colour} "
    if len(indices) == group.count:
        number = f"{COUNTS[group.count]} " if group.count > 1 and rng.random() < 0.5 else ""
        return f"the {number}{colour}{plural(first.kind, group.count)}"
    if len(indices) > 1:
        return f"{COUNTS[len(indices)]} of the {COUNTS[group.count]} {colour}{first.kind}s"
    return f"the {_position_in(scene, group, indices[0])} {colour}{first.kind}"


def _position_in(scene: Scene, group: Group, index: int) -> str:
    across = sorted(group.indices, key=lambda i: scene.things[i].x)
    if scene.things[across[0]].column == scene.things[across[-1]].column:
        upright = sorted(group.indices, key=lambda i: scene.things[i].y)
        return ("upper", "lower")[upright.index(index) > 0]
    spot = across.index(index)
    return "left" if spot == 0 else "right" if spot == group.count - 1 else "middle"


def size_word(scale: str) -> str:
    """A size where it stands after what it is said of."""
    return "medium-sized" if scale == "medium" else scale


def verb(count: int) -> str:
    return "is" if count == 1 else "are"


def column_phrase(things: Sequence[Thing], rng: random.Random) -> str:
    """Where on the page these things are: ``on the left``, ``in the sky on the right``, ``in a row``."""
    rows = {t.row for t in things}
    columns = sorted({t.column for t in things})
    if len(things) == 1:
        text = rng.choice(COLUMN_WORDS[columns[0]])
    elif len(rows) == 1 and len(columns) == 3:
        text = "in a row"
    elif len(columns) == 2:
        text = f"{COLUMN_WORDS[columns[0]][0]} and {COLUMN_WORDS[columns[1]][0]}"
    elif len(columns) == 1:
        text = COLUMN_WORDS[columns[0]][0]
    else:
        text = "in two rows"
    if len(rows) == 1 and rng.random() < 0.5:
        return DEPTHS[rows.pop()] + text
    return text


def relation_phrase(name: str, rng: random.Random) -> str:
    """The words for a relation, before the name of the thing that it is to."""
    return rng.choice(RELATION_WORDS[name])


def true_relation(a: Thing, b: Thing) -> str | None:
    """The one relation of ``a`` to ``b`` that a person would say first."""
    sideways = ("left of", "right of")
    names = [name for name in OPPOSITE if (name in sideways) == (a.column != b.column)]
    return next((name for name in names if holds(a, name, b)), None)


def where_phrase(scene: Scene, indices: Sequence[int], anchors: Sequence[int], rng: random.Random) -> str:
    """Where things are: against one of the ``anchors`` (a named relation first) or on the page."""
    if len(indices) == 1:
        index = indices[0]
        named = [_from(r, index) for r in scene.relations if index in (r.subject, r.object)]
        named = [(name, other) for name, other in named if other in anchors]
        if named and rng.random() < 0.8:
            name, other = rng.choice(named)
            phrase = relation_phrase(name, rng)
            return f"{phrase} {the(scene, (other,), rng)}"
        lone = [i for g in scene.groups() if g.count == 1 for i in g.indices if i in anchors and i != index]
        if lone and rng.random() < 0.45:
            other = rng.choice(lone)
            truth = true_relation(scene.things[index], scene.things[other])
            if truth is not None:
                phrase = relation_phrase(truth, rng)
                return f"{phrase} {the(scene, (other,), rng)}"
    return column_phrase([scene.things[i] for i in indices], rng)


def _from(relation: Relation, index: int) -> tuple[str, int]:
    if relation.subject == index:
        return relation.name, relation.object
    return OPPOSITE[relation.name], relation.subject
