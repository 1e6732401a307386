"""Plans against the prompt: steps that fit it so far, and plans that ask for what it does not allow.

Source: arXiv 2604.04746, instruction-intermediate conflicts. A conflict is always one that the
prompt's own words show: a colour, size, kind, number, named relation or place, or a thing nobody asked for.
What a plan leaves for later is never one. Writing scripts about them is in ``cases`` and ``process``.
"""

from __future__ import annotations

import random
from dataclasses import replace

from engine.lab.storybook.language.parse import parse_prompt
from engine.lab.storybook.scene.edits import Add, Edit, Recolour, Resize, Setting, apply, sample_another
from engine.lab.storybook.scene.palette import BACKGROUNDS
from engine.lab.storybook.scene.sampling import fits
from engine.lab.storybook.scene.scene import COLUMNS, Scene
from engine.lab.training.data.chains import ChainStep
from engine.lab.training.data.changes import by_lot, sample_change

POSITIVE = 6905 / 15201
"""The share of steps that fit (arXiv 2604.04746: 6,905 positive of 15,201)."""

CONFLICTS = {
    "recolour": 0.27,
    "resize": 0.09,
    "swap": 0.18,
    "add": 0.13,
    "count": 0.1,
    "relation": 0.16,
    "setting": 0.07,
}


def sample_conflict(step: ChainStep, prompt: str, rng: random.Random) -> ChainStep | None:
    """``step`` as a plan has it that asks for something else; None if nothing offers itself.

    Only what the step puts down is wrong, and only where ``prompt`` is against it. A step that edits what
    stands, or stands for now only, gets no conflict.
    """
    if not isinstance(step.edit, Add) or step.changes:
        return None
    for name in by_lot(CONFLICTS, rng):
        wrong = _misplaced(step, rng) if name == "relation" else _changed(name, step, prompt, rng)
        if wrong is not None:
            return replace(step, edit=Add(wrong.things[step.newest.start :]), after=wrong)
    return None


def _changed(name: str, step: ChainStep, prompt: str, rng: random.Random) -> Scene | None:
    """What the step leads to with another colour, size, kind, number or place, or with a thing too many."""
    right = step.after
    edit: Edit | None
    if name == "setting":
        others = [place for place in BACKGROUNDS if place != right.background]
        edit = Setting(rng.choice(others)) if step.before is None else None
    elif name == "count":
        edit = sample_another(right.with_things([*right.things, *step.coming]), rng)
        looks = {(right.things[i].kind, right.things[i].colour) for i in step.newest}
        if edit is not None and (edit.things[0].kind, edit.things[0].colour) not in looks:
            return None
    else:
        edit = sample_change(right, step.coming, step.newest, rng, (name,))
        if isinstance(edit, Recolour) and right.things[edit.indices[0]].kind in _of_any_colour(prompt):
            return None
        if isinstance(edit, Resize) and right.things[edit.indices[0]].scale == "medium":
            return None  # no word of the prompt stands against another size
    return None if edit is None else apply(right, edit)


def _misplaced(step: ChainStep, rng: random.Random) -> Scene | None:
    """What the step leads to with a new thing where a named relation doesn't hold."""
    right = step.after
    for relation in rng.sample(right.relations, len(right.relations)):
        a, b = relation.subject, relation.object
        ends = {a: right.things[b].x, b: right.things[a].x}
        ways = [{i: x} for i in ends if i in step.newest for x in rng.sample(COLUMNS, 3)]
        ways += [ends] if set(ends) <= set(step.newest) else []  # the two in each other's place
        for way in ways:
            things = [replace(t, x=way.get(i, t.x)) for i, t in enumerate(right.things)]
            rest = [*things, *step.coming]
            wrong = right.with_things(things)
            if len(wrong.relations) < len(right.relations) and all(
                fits(things[i], [o for o in rest if o is not things[i]]) for i in way
            ):
                return wrong
    return None


def _of_any_colour(prompt: str) -> set[str]:
    spec = parse_prompt(prompt)
    return {want.kind for want in spec.wants if want.colour is None} if spec else set()
