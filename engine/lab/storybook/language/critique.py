"""Verdicts on a picture against the scene it should show, and the instruction that fixes it.

The edits that would put a picture right are found in ``scene.differences``; here they are put into words. A
thing still to come is never called a fault. Reading pixels is the judge's work, not done here.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.lab.storybook.language.phrases import (
    COUNTS,
    PLACE,
    SETTING,
    column_phrase,
    joined,
    plural,
    relation_phrase,
    sentence,
    size_word,
    some,
    the,
    verb,
    where_phrase,
)
from engine.lab.storybook.language.sentences import instruct_edit
from engine.lab.storybook.scene.differences import differences, with_relations
from engine.lab.storybook.scene.edits import Add, Edit, Move, Recolour, Remove, Resize, Setting, Swap, apply
from engine.lab.storybook.scene.scene import Group, Scene, Thing

CAUSES = {
    "plan": ("The plan is not what was asked for.", "The plan does not fit the prompt."),
    "sketch": ("The sketch does not follow the plan.", "The sketch is not what was planned."),
}
"""Whose fault it is: a plan held against the prompt, or a sketch held against its plan."""


def critique_ok(scene: Scene, pending: Sequence[Group], rng: random.Random, later: str = "") -> str:
    """The verdict on a picture that shows ``scene`` as it should, while ``pending`` is still to come.

    ``later`` says what else a later step will do (``detours``).
    """
    opening = (
        ("Fits so far.", "Good so far.", "This fits.")
        if pending or later
        else ("Everything fits.", "All is right.", "This fits.")
    )
    parts = [rng.choice(opening)]
    facts = _facts(scene, rng)
    if facts:
        parts += rng.sample(facts, min(len(facts), rng.choice((1, 1, 2))))
    parts += [text for text in (_pending(pending, rng), later) if text] or [
        rng.choice(("The picture is complete.", "Nothing is missing.", "The picture is done."))
    ]
    return " ".join(parts)


def critique_wrong(
    wrong: Scene, right: Scene, pending: Sequence[Group], rng: random.Random, cause: str = "", later: str = ""
) -> tuple[str, str]:
    """What is wrong in a picture that shows ``wrong`` for ``right``, and the order that mends it.

    ``cause`` is one of :data:`CAUSES`: the plan that asked for the wrong thing, or the sketch that doesn't
    do as planned. ``later`` says what else a later step will do. Raises ``ValueError`` when the two scenes
    don't differ.
    """
    parts = [rng.choice(("This is wrong.", "Not right yet.", "There is a mistake."))]
    if cause:
        parts.append(rng.choice(CAUSES[cause]))
    mends = repairs(wrong, right, rng)
    parts += [fault for fault, _ in mends]
    parts += [text for text in (_pending(pending, rng), later) if text]
    return " ".join(parts), " ".join(order for _, order in mends)


def repairs(wrong: Scene, right: Scene, rng: random.Random) -> list[tuple[str, str]]:
    """What is wrong and the order that mends it, a pair of sentences for each edit of ``differences``.

    Raises ``ValueError`` when the two scenes don't differ.
    """
    edits = differences(wrong, right)
    if not edits:
        raise ValueError("nothing to criticise: both scenes show the same things in the same places")
    found, now = [], wrong
    for edit in edits:
        fault = sentence(_fault(now, edit, right, rng))
        after = apply(now, edit)
        found.append((fault, instruct_edit(now, edit, with_relations(after, right), rng)))
        now = after
    return found


def _facts(scene: Scene, rng: random.Random) -> list[str]:
    groups = scene.groups()
    of = {i: g for g in groups for i in g.indices}
    facts = []
    for relation in scene.relations:
        a = scene.things[relation.subject]
        name = relation_phrase(relation.name, rng)
        facts.append(
            f"the {_bare(of[relation.subject], groups)} is {a.colour} and {name} "
            f"{the(scene, (relation.object,), rng)}"
        )
    for group in groups:
        things = [scene.things[i] for i in group.indices]
        if group.count > 1:
            facts.append(f"there are {some(group.kind, group.colour, group.count, group.scale)}")
        elif group.scale != "medium" and rng.random() < 0.5:
            facts.append(f"the {_bare(group, groups)} is {group.scale}")
        elif rng.random() < 0.5:
            facts.append(f"the {_bare(group, groups)} is {group.colour}")
        else:
            facts.append(f"{the(scene, group.indices, rng)} is {column_phrase(things, rng)}")
    if not facts or rng.random() < 0.2:
        facts.append(f"it is {SETTING[scene.background][0]}")
    return [sentence(fact) for fact in facts]


def _bare(group: Group, groups: Sequence[Group]) -> str:
    alone = sum(g.kind == group.kind for g in groups) == 1
    return group.kind if alone else f"{group.colour} {group.kind}"


def _pending(pending: Sequence[Group], rng: random.Random) -> str:
    if not pending:
        return ""
    total = sum(g.count for g in pending)
    names = joined(
        [
            ("the " if g.count == 1 else f"{COUNTS[g.count]} ") + f"{g.colour} {plural(g.kind, g.count)}"
            for g in pending
        ]
    )
    comes = "comes" if total == 1 else "come"
    return sentence(
        rng.choice(
            (
                f"{names} {comes} in a later step",
                f"{names} will come later",
                f"{names} {verb(total)} not drawn yet, but will come in a later step",
            )
        )
    )


def _fault(now: Scene, edit: Edit, right: Scene, rng: random.Random) -> str:
    match edit:
        case Recolour(indices, colour):
            old = now.things[indices[0]]
            kinds, are = plural(old.kind, len(indices)), verb(len(indices))
            return f"the {kinds} {are} {old.colour} and should be {colour}"
        case Resize(indices, scale):
            old = now.things[indices[0]]
            kinds, are = plural(old.kind, len(indices)), verb(len(indices))
            return f"the {kinds} {are} {size_word(old.scale)} and should be {size_word(scale)}"
        case Swap(indices, kind, colour):
            old = now.things[indices[0]]
            there = some(old.kind, old.colour, len(indices))
            return f"there {verb(len(indices))} {there} in place of {some(kind, colour, len(indices))}"
        case Move(index):
            spoken = with_relations(apply(now, edit), right)
            others = [i for i in range(len(spoken.things)) if i != index]
            return f"{the(now, (index,), rng)} should be {where_phrase(spoken, (index,), others, rng)}"
        case Add(things):
            return joined([_count_fault(now, right, t.kind, t.colour) for t in _looks(things)])
        case Remove(indices):
            return joined(
                [_count_fault(now, right, t.kind, t.colour) for t in _looks([now.things[i] for i in indices])]
            )
        case Setting(background):
            return f"the background should be {PLACE[background][0]}, not {PLACE[now.background][0]}"


def _looks(things: Sequence[Thing]) -> list[Thing]:
    return list({(t.kind, t.colour): t for t in things}.values())


def _count_fault(now: Scene, right: Scene, kind: str, colour: str) -> str:
    have, want = (sum((t.kind, t.colour) == (kind, colour) for t in s.things) for s in (now, right))
    if have == 0:
        return f"the {colour} {plural(kind, want)} {verb(want)} missing"
    if want == 0:
        return f"there {verb(have)} {some(kind, colour, have)} that should not be there"
    seen = f"{COUNTS[min(have, 6)]} {colour} {plural(kind, have)}"
    return f"there {verb(have)} {seen} and there should be {COUNTS[want]}"
