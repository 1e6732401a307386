"""Chains of steps that lead to a scene: additive ones, and equal ones that take a detour.

Source: arXiv 2604.04746, augmentation. Chains that only add are too uniform, so some let a thing
enter in another colour or size, as another kind or in another place, or let one enter that is not wanted, and
mend that in a later step. Whatever the way, the last state is the goal.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from engine.lab.storybook.language import sentences
from engine.lab.storybook.language.detours import changes_later, for_now
from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.edits import (
    Add,
    Edit,
    Move,
    Recolour,
    Remove,
    Resize,
    Swap,
    exchanged,
    resized,
    sample_add,
)
from engine.lab.storybook.scene.palette import COLOURS, KINDS, SIZES
from engine.lab.storybook.scene.sampling import fits, make_thing
from engine.lab.storybook.scene.scene import Group, Scene, Thing
from engine.lab.training.data.changes import by_lot
from engine.lab.training.data.graph import MAX_STEPS, growth, objects, related

VARIED = 0.25
"""The share of chains that take a detour. 0: every chain only adds (the papers' ablation)."""

DETOURS = {"recolour": 0.3, "resize": 0.12, "swap": 0.22, "move": 0.18, "remove": 0.18}
TWO_DETOURS = 0.2


@dataclass(frozen=True)
class ChainStep:
    """One step: ``edit`` leads from ``before`` to ``after``; without ``before`` it also paints the place.

    ``pending`` are the groups not drawn yet, ``coming`` the things that still need their room on the page,
    ``changes`` the edits of ``after`` that undo detours later. ``is_provisional``: a detour begins here.
    """

    before: Scene | None
    edit: Edit
    after: Scene
    pending: tuple[Group, ...] = ()
    coming: tuple[Thing, ...] = ()
    changes: tuple[Edit, ...] = ()
    is_provisional: bool = False

    @property
    def operation(self) -> str:
        """``start``, or the edit's name in lower case."""
        return "start" if self.before is None else type(self.edit).__name__.lower()

    @property
    def newest(self) -> range:
        """Indices (in ``after``) of the things that the step adds."""
        added = len(self.edit.things) if isinstance(self.edit, Add) else 0
        return range(len(self.after.things) - added, len(self.after.things))

    @property
    def is_last(self) -> bool:
        return not self.pending and not self.changes

    def instruction(self, rng: random.Random) -> str:
        """The step as one order."""
        if self.before is None:
            text = sentences.instruct_start(self.after, rng)
        else:
            text = sentences.instruct_edit(self.before, self.edit, self.after, rng)
        return for_now(text) if self.is_provisional else text

    def description(self, rng: random.Random) -> str:
        """The whole scene after the step."""
        return sentences.describe(self.after, rng)

    def later(self, rng: random.Random) -> str:
        """What is still to change, in words; empty when nothing is."""
        return changes_later(self.after, self.changes, rng)


def chain(goal: Scene, rng: random.Random, varied: float = VARIED) -> list[ChainStep]:
    """A chain of at most ``MAX_STEPS`` steps to ``goal``; with probability ``varied`` one with a detour."""
    detours = _sample_detours(goal, rng) if rng.random() < varied else []
    graphs = growth(goal, rng, MAX_STEPS - len(detours))
    stages = [tuple(goal.things[i] for i in objects(graph)) for graph in graphs]
    return list(_steps(goal, stages, detours, rng))


def additive(goal: Scene, now: Scene, stages: Sequence[tuple[Thing, ...]]) -> list[ChainStep]:
    """Steps that add these stages of things to ``now``, whatever it holds."""
    found = []
    for number, new in enumerate(stages):
        after = related(goal, (*now.things, *new), now.background)
        coming = tuple(thing for stage in stages[number + 1 :] for thing in stage)
        found.append(ChainStep(now, Add(new), after, Scene(goal.background, coming).groups(), coming))
        now = after
    return found


@dataclass(frozen=True)
class _Detour:
    """``decoys`` stand where ``wanted`` should until they are mended; with nothing wanted they go."""

    decoys: tuple[Thing, ...]
    wanted: tuple[Thing, ...]

    def mend(self, things: Sequence[Thing]) -> Edit:
        indices = tuple(things.index(decoy) for decoy in self.decoys)
        if not self.wanted:
            return Remove(indices)
        old, new = self.decoys[0], self.wanted[0]
        if old.kind != new.kind:
            return Swap(indices, new.kind, new.colour)
        if old.colour != new.colour:
            return Recolour(indices, new.colour)
        if old.scale != new.scale:
            return Resize(indices, new.scale)
        return Move(indices[0], new.x, new.y)


def _steps(
    goal: Scene, stages: list[tuple[Thing, ...]], detours: list[_Detour], rng: random.Random
) -> Iterator[ChainStep]:
    """The additive stages (each holds the one before) with decoys in place of what they stand for."""
    slots: list[list[_Detour]] = [[] for _ in stages]  # mended after this stage
    extras: list[list[_Detour]] = [[] for _ in stages]  # extra things that enter with this stage
    for detour in detours:
        if detour.wanted:
            enters = next(i for i, stage in enumerate(stages) if detour.wanted[0] in stage)
        else:
            enters = rng.randrange(len(stages))
            extras[enters].append(detour)
        slots[rng.randrange(enters, len(stages))].append(detour)
    decoy = {old: new for d in detours for old, new in zip(d.wanted, d.decoys, strict=False)}
    now: Scene | None = None
    done = 0
    for number, stage in enumerate(stages):
        new = tuple(decoy.get(thing, thing) for thing in stage[done:])
        new += tuple(thing for detour in extras[number] for thing in detour.decoys)
        done = len(stage)
        after = related(goal, (*(now.things if now else ()), *new))
        yield _step(goal, now, Add(new), after, any(thing not in goal.things for thing in new))
        now = after
        for detour in slots[number]:
            edit = detour.mend(now.things)
            after = related(goal, _mended(now.things, detour))
            yield _step(goal, now, edit, after, False)
            now = after


def _mended(things: Sequence[Thing], detour: _Detour) -> list[Thing]:
    new = dict(zip(detour.decoys, detour.wanted, strict=False))
    return [new.get(t, t) for t in things if t in new or t not in detour.decoys]


def _step(goal: Scene, before: Scene | None, edit: Edit, after: Scene, is_provisional: bool) -> ChainStep:
    todo = differences(after, goal)
    missing = tuple(t for e in todo if isinstance(e, Add) for t in e.things)
    changes = tuple(e for e in todo if not isinstance(e, Add))
    coming = tuple(t for t in goal.things if t not in after.things)
    return ChainStep(
        before, edit, after, Scene(goal.background, missing).groups(), coming, changes, is_provisional
    )


def _sample_detours(goal: Scene, rng: random.Random) -> list[_Detour]:
    """One detour or two that don't meet; none when the page has no room for any."""
    found: list[_Detour] = []
    groups = list(goal.groups())
    rng.shuffle(groups)
    wished = 1 + (rng.random() < TWO_DETOURS)
    for name in by_lot(DETOURS, rng):
        if len(found) == wished:
            break
        for group in groups:
            detour = _sample_detour(name, goal, group, found, rng)
            if detour is not None:
                found.append(detour)
                groups.remove(group)
                break
    return found


def _sample_detour(
    name: str, goal: Scene, group: Group, others: Sequence[_Detour], rng: random.Random
) -> _Detour | None:
    """``group`` entering in another way, or something beside it; clear of every thing that is yet to come."""
    wanted = tuple(goal.things[i] for i in group.indices)
    decoys = [thing for detour in others for thing in detour.decoys]
    room = [t for t in goal.things if t not in wanted] + decoys
    kinds = {t.kind for t in (*goal.things, *decoys)}
    if name == "recolour":
        taken = {t.colour for t in (*goal.things, *decoys) if t.kind == group.kind}
        colour = rng.choice([c for c in COLOURS if c not in taken])
        return _Detour(tuple(replace(t, colour=colour) for t in wanted), wanted)
    if name == "resize":
        for scale in rng.sample([s for s in SIZES if s != group.scale], 2):
            new = tuple(resized(t, scale) for t in wanted)
            back = tuple(resized(t, group.scale) for t in new)
            if back == wanted and all(fits(t, [*room, *(o for o in new if o != t)]) for t in new):
                return _Detour(new, wanted)
    if name == "swap":
        pool = [k for k in KINDS if KINDS[k].sky == KINDS[group.kind].sky and k not in kinds]
        rng.shuffle(pool)
        colour = group.colour if rng.random() < 0.4 else rng.choice(list(COLOURS))
        for kind in pool:
            new = tuple(exchanged(t, kind, colour) for t in wanted)
            back = tuple(exchanged(t, group.kind, group.colour) for t in new)
            rest = [*room, *new]
            # rounding may keep a swapped thing from coming back exactly; such kinds are passed over
            if back == wanted and all(fits(t, [o for o in rest if o != t]) for t in new):
                return _Detour(new, wanted)
    if name == "move" and group.count == 1:
        thing = wanted[0]
        for column in rng.sample(range(3), 3):
            x = make_thing(rng, thing.kind, thing.colour, thing.row, column, 0.5, thing.scale).x
            if column != thing.column and fits(replace(thing, x=x), room):
                return _Detour((replace(thing, x=x),), wanted)
    if name == "remove":
        add = sample_add(Scene(goal.background, (*goal.things, *decoys)), rng)
        return _Detour(add.things, ()) if add is not None else None
    return None
