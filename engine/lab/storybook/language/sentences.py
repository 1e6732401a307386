"""The English of scenes and edits: prompts, instructions and descriptions, in varied small words.

Everything said is true of the scene it is said of. Verdicts are in ``critique``, reading in ``parse``.
"""

from __future__ import annotations

import random

from engine.lab.storybook.language.phrases import (
    PLACE,
    SETTING,
    column_phrase,
    joined,
    relation_phrase,
    sentence,
    size_word,
    some,
    the,
    where_phrase,
)
from engine.lab.storybook.scene.edits import Add, Edit, Move, Recolour, Remove, Resize, Setting, Swap
from engine.lab.storybook.scene.palette import KINDS
from engine.lab.storybook.scene.scene import OPPOSITE, Group, Scene

OPENINGS = (
    "",
    "",
    "",
    "",
    "a picture of ",
    "a scene with ",
    "paint ",
    "draw ",
    "please paint ",
    "please draw ",
)
PLAIN = 0.06
"""How often a prompt leaves out the colour of a thing that has its natural one."""


def prompt(scene: Scene, rng: random.Random) -> str:
    """What a person might ask for: every thing, the named relations and the place."""
    clauses = [_in_own_words(clause, rng) for clause in _clauses(scene, rng, places=0.25)]
    body = joined(clauses) if rng.random() < 0.75 or len(clauses) < 2 else _with(clauses)
    setting = rng.choice(SETTING[scene.background])
    if rng.random() < 0.2:
        text = f"{setting}, {body}"
    elif rng.random() < 0.12:
        text = f"{rng.choice(PLACE[scene.background])} with {body}"
    else:
        text = f"{rng.choice(OPENINGS)}{body}{rng.choice((' ', ' ', ', '))}{setting}"
    return sentence(text) if rng.random() < 0.25 else text


def describe(scene: Scene, rng: random.Random) -> str:
    """A caption of the whole picture, with where things are."""
    setting = rng.choice(SETTING[scene.background])
    if not scene.things:
        return sentence(
            rng.choice(
                (f"An empty scene {setting}", f"{rng.choice(PLACE[scene.background])} with nothing in it")
            )
        )
    items = joined(_clauses(scene, rng, places=0.85))
    forms = (
        f"the picture shows {items} {setting}",
        f"{setting}, there {'is' if scene.groups()[0].count == 1 else 'are'} {items}",
        f"{rng.choice(PLACE[scene.background])} with {items}",
        f"{items} {setting}",
    )
    return sentence(rng.choice(forms))


def instruct_start(scene: Scene, rng: random.Random) -> str:
    """The first step: the place and the first things."""
    place = rng.choice(PLACE[scene.background])
    if not scene.things:
        return sentence(rng.choice((f"paint {place}", f"start with {place}", f"begin with {place}")))
    items = joined(_clauses(scene, rng, places=0.85))
    forms = (
        f"paint {place} and add {items}",
        f"paint {place} with {items}",
        f"start with {place} and {items}",
        f"begin with {place}. Put {items}",
        f"paint {items} {rng.choice(SETTING[scene.background])}",
    )
    return sentence(rng.choice(forms))


def instruct_edit(before: Scene, edit: Edit, after: Scene, rng: random.Random) -> str:
    """The edit as one short order.

    ``after`` is ``apply(before, edit)``, or a scene with the same things in the same order whose
    relations should be spoken of.
    """
    match edit:
        case Add():
            return sentence(_say_add(before, after, rng))
        case Remove(indices):
            return sentence(f"{rng.choice(('remove', 'take away', 'erase'))} {the(before, indices, rng)}")
        case Recolour(indices, colour):
            name = the(before, indices, rng)
            forms = (
                f"make {name} {colour}",
                f"paint {name} {colour}",
                f"change {name} to {colour}",
                f"turn {name} {colour}",
            )
            return sentence(rng.choice(forms))
        case Resize(indices, scale):
            name, size = the(before, indices, rng), size_word(scale)
            return sentence(f"{rng.choice(('make', 'paint', 'draw'))} {name} {size}")
        case Swap(indices, kind, colour):
            name, new = the(before, indices, rng), some(kind, colour, len(indices))
            forms = (
                f"replace {name} by {new}",
                f"replace {name} with {new}",
                f"change {name} to {new}",
                f"turn {name} into {new}",
            )
            return sentence(rng.choice(forms))
        case Move(index):
            anchors = [i for i in range(len(after.things)) if i != index]
            name, place = the(before, (index,), rng), where_phrase(after, (index,), anchors, rng)
            return sentence(f"{rng.choice(('move', 'put', 'bring'))} {name} {_towards(place)}")
        case Setting(background):
            ways = (
                f"put it all {SETTING[background][0]}",
                f"change the background to {PLACE[background][0]}",
                f"paint {PLACE[background][0]} behind it",
            )
            return sentence(rng.choice(ways))


def _towards(place: str) -> str:
    """``on the left of`` as a goal: ``to the left of``."""
    for start in ("on the", "in the middle", "in the centre"):
        if place.startswith(start):
            return "to the " + place.removeprefix("on the ").removeprefix("in the ")
    return "to the " + place if place.startswith(("left", "right")) else place


def _say_add(before: Scene, after: Scene, rng: random.Random) -> str:
    old = len(before.things)
    parts = []
    looks = {(g.kind, g.colour): g for g in before.groups()}
    for group in after.groups():
        new = tuple(i for i in group.indices if i >= old)
        if not new:
            continue
        where = where_phrase(after, new, range(old), rng)
        if (group.kind, group.colour) in looks:
            noun = some(group.kind, group.colour, len(new), group.scale).split(" ", 1)[1]
            count = (
                "another" if len(new) == 1 else f"{some(group.kind, None, len(new)).split(' ', 1)[0]} more"
            )
            parts.append(f"{count} {noun} {where}")
        else:
            parts.append(f"{some(group.kind, group.colour, len(new), group.scale)} {where}")
    return f"{rng.choice(('add', 'add', 'now add', 'put', 'paint', 'draw'))} {joined(parts)}"


def _in_own_words(clause: str, rng: random.Random) -> str:
    """Sizes as people also call them; the model itself keeps to one word a size."""
    for size, other in (("small", "little"), ("large", "big")):
        if rng.random() < 0.35:
            clause = clause.replace(f"{size} ", f"{other} ")
    return clause


def _with(clauses: list[str]) -> str:
    return f"{clauses[0]} with {joined(clauses[1:])}"


def _clauses(scene: Scene, rng: random.Random, places: float) -> list[str]:
    """One phrase a group, every named relation said once; a share ``places`` of the others get a place."""
    groups = list(scene.groups())
    of = {i: g for g in groups for i in g.indices}
    said: list[Group] = []
    clauses: list[str] = []
    todo = list(scene.relations)
    if len(todo) > 1 and rng.random() < 0.5:
        todo.reverse()
    for relation in todo:
        subject, name, other = relation.subject, relation.name, relation.object
        if of[subject] in said and of[other] not in said:
            subject, name, other = other, OPPOSITE[name], subject
        first, last = (
            the(scene, (i,), rng) if of[i] in said else _some(of[i], rng, places) for i in (subject, other)
        )
        clauses.append(f"{first} {relation_phrase(name, rng)} {last}")
        said += [of[subject], of[other]]
    rest = [g for g in groups if g not in said]
    if places < 0.5:
        rng.shuffle(rest)
    for group in rest:
        clause = _some(group, rng, places)
        if rng.random() < places:
            clause += " " + column_phrase([scene.things[i] for i in group.indices], rng)
        clauses.append(clause)
    return clauses


def _some(group: Group, rng: random.Random, places: float) -> str:
    plain = places < 0.5 and group.colour == KINDS[group.kind].natural and rng.random() < PLAIN
    return some(group.kind, None if plain else group.colour, group.count, group.scale)
