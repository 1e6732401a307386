"""Cases from a model's own plans and sketches, judged: its real errors, to practise inspection on.

Source: arXiv 2604.04746, self-sampling. The model goes on from its own pictures as long as they are
as planned. The judge reads the picture, the scene graph says what it should show. Half of the last plans are
given, so that a sketch is held against a plan known exactly; the others are the model's own, read back from
its words. ``cases.case_script`` makes the scripts, from these cases as from those of corrupted scenes.
"""

from __future__ import annotations

import hashlib
import math
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from engine import protocols
from engine.core.events import StepFinished
from engine.core.trajectory import Step
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.judging.judge import judge
from engine.lab.storybook.language.parse import Spec, parse_prompt
from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.edits import Add, find_place
from engine.lab.storybook.scene.palette import COLOURS
from engine.lab.storybook.scene.sampling import fits
from engine.lab.storybook.scene.scene import COLUMNS, Scene, Thing, holds
from engine.lab.training.data.cases import Case, opening, say_before
from engine.lab.training.data.chains import ChainStep
from engine.lab.training.data.graph import related
from engine.lab.training.data.rounds import say_plan
from engine.lab.training.data.script import Painted, Script, seen_in
from engine.lab.training.data.split import sample_training_scene
from engine.protocols.process import plan_text
from engine.runs.runner import run_trajectory

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.core.settings import Settings
    from engine.runs.opened_model import OpenedModel

OWN_PLANS = 0.5
"""The share of sessions in which the last plan is the model's own too."""


def sample_cases(
    model: OpenedModel, settings: Settings, *, count: int, seed: int, keep: Callable[[str, Image], None]
) -> Iterator[Case]:
    """At most ``count`` cases; ``keep`` gets every sketch in them by its name, the SHA-256 of its pixels.

    Sessions that fail, plans that name nothing and pictures in which nothing is seen make no case.
    """
    for number in range(count):
        rng = random.Random(f"self-sampling-{seed}-{number}")
        session = Rollout(model, settings, number)
        case = own_case(session, sample_training_scene(rng), rng)
        if case is not None:
            for shown in (*case.told.scenes, case.sketch):
                if isinstance(shown, Painted):
                    keep(shown.name, session.pictures[shown.name])
            yield case


def own_case(session: Rollout, goal: Scene, rng: random.Random) -> Case | None:
    """The case of a session: its first sketch that isn't as planned, or that of the round chosen by lot.

    All pictures before are the model's own too, so it goes on from them as it does when it is used.
    """
    told, prompt, steps = opening(goal, rng)
    for step in steps[:-1]:
        say_plan(told, step, rng, loss=False)
        sketch = session.sketch(told, prompt)
        if sketch is None:
            return None
        if differences(sketch.seen, step.after):
            return Case(told, step, step.after, sketch)
        say_before(told, step, sketch, rng)
    if rng.random() < OWN_PLANS:
        return own_plan_case(session, goal, told, prompt, steps[-1], rng)
    say_plan(told, steps[-1], rng, loss=False)
    sketch = session.sketch(told, prompt)
    return Case(told, steps[-1], steps[-1].after, sketch) if sketch else None


def own_plan_case(
    session: Rollout, goal: Scene, told: Script, prompt: str, step: ChainStep, rng: random.Random
) -> Case | None:
    """The model's own plan after what was told, and its sketch."""
    made = session.go_on(told, prompt, 2)
    sketch = session.painted(made[-1]) if len(made) == 2 else None
    if sketch is None:
        return None
    fields = made[0].fields
    spec = parse_prompt(fields["description"] or fields["instruction"])
    if spec is None or (meant := read_plan(spec, goal, step.before, rng)) is None:
        return None
    step, planned = settle(*meant, spec, sketch.seen)
    told.say(plan_text(fields["instruction"], fields["description"]), loss=False, follows="image")
    return Case(told, step, planned, sketch)


class Rollout:
    """One session of a model; ``pictures`` are all that it drew or was shown, by name."""

    def __init__(self, model: OpenedModel, settings: Settings, seed: int) -> None:
        self._model, self._settings, self._seed = model, settings, seed
        self.pictures: dict[str, Image] = {}

    def sketch(self, told: Script, prompt: str) -> Painted | None:
        """The model's picture after a plan."""
        made = self.go_on(told, prompt, 1)
        return self.painted(made[0]) if made else None

    def go_on(self, told: Script, prompt: str, limit: int) -> list[Step]:
        """The model's next steps, at most ``limit``."""
        return [
            event.step
            for event in run_trajectory(
                self._model,
                protocols.get("process"),
                trajectory_of(told, prompt, self._put),
                self._settings,
                pixels=self.pictures.__getitem__,
                store_image=self._put,
                session_seed=self._seed,
                cancel=threading.Event(),
                steps_limit=limit,
            )
            if isinstance(event, StepFinished)
        ]

    def painted(self, step: Step) -> Painted | None:
        """The picture of a step as it is judged; None where there is none, or nothing in it."""
        if step.image is None:
            return None
        seen = judge(self.pictures[step.image]).scene()
        return Painted(step.image, seen) if seen.things else None

    def _put(self, image: Image) -> str:
        name = hashlib.sha256(image.tobytes()).hexdigest()
        self.pictures[name] = image
        return name


def trajectory_of(told: Script, prompt: str, put: Callable[[Image], str]) -> list[Step]:
    """A told session as steps of a trajectory: its scenes rendered, what was painted under its name."""
    process = protocols.get("process")
    found = [Step(None, "prompt", "person", {"text": prompt})]
    for part in told.parts[1:]:
        shown = told.scenes[part.scene] if part.kind == "image" else None
        if shown is not None:
            image = shown.name if isinstance(shown, Painted) else put(render(seen_in(shown)))
            step = Step(found[-1].id, "sketch", "model", image=image)
        else:
            kind = "plan" if found[-1].kind in ("prompt", "inspect") else "inspect"
            step = Step(found[-1].id, kind, "model", process.parse(kind, part.text) or {})
        found.append(step)
    return found


def read_plan(
    spec: Spec, goal: Scene, before: Scene | None, rng: random.Random
) -> tuple[ChainStep, Scene] | None:
    """What a plan in words should lead to by the goal, and what it does lead to.

    Wanted things are those of the goal if they look alike; else one of the kind in another colour; else
    new ones. They stand where the goal has them unless the words name a column. None if the plan adds
    nothing, or if the page has no room for what it says.
    """
    standing = before.things if before else ()
    right, planned = list(standing), list(standing)
    stood, free = list(standing), [t for t in goal.things if t not in standing]
    unmet: list[tuple[str, str | None]] = []
    for kind, colour in [(w.kind, w.colour) for w in spec.wants for _ in range(w.count)]:
        if thing := _find(stood, kind, colour):
            stood.remove(thing)
        elif thing := _find(free, kind, colour):
            free.remove(thing)
            right.append(thing)
            planned.append(thing)
        else:
            unmet.append((kind, colour))
    for kind, colour in unmet:
        if thing := _find(free, kind, None):
            free.remove(thing)
            right.append(thing)
            planned.append(replace(thing, colour=colour or thing.colour))
            continue
        place = Scene(goal.background, (*goal.things, *planned))
        new = find_place(rng, place, kind, colour or rng.choice(list(COLOURS)), place.things)
        if new is None:
            return None
        planned.append(new)
    if len(planned) == len(standing):
        return None
    meant = _at_columns(related(goal, planned, spec.background), len(standing), spec)
    after = related(goal, right)
    moved = _at_columns(after, len(standing), spec)
    if len(moved.relations) == len(after.relations):
        after = moved
    coming = tuple(t for t in goal.things if t not in right)
    pending = Scene(goal.background, coming).groups()
    step = ChainStep(before, Add(after.things[len(standing) :]), after, pending, coming)
    return (step, meant) if _keeps_relations(meant, spec) else None


def _find(things: list[Thing], kind: str, colour: str | None) -> Thing | None:
    return next((t for t in things if t.kind == kind and colour in (None, t.colour)), None)


def _at_columns(scene: Scene, first: int, spec: Spec) -> Scene:
    """The scene with its things from ``first`` on in the columns that the words name, where there is room."""
    named = {w.kind: w.columns[0] for w in spec.wants if w.count == 1 and len(w.columns) == 1}
    things = list(scene.things)
    for index, thing in enumerate(things):
        column = named.get(thing.kind, thing.column)
        moved = replace(thing, x=COLUMNS[column])
        if index >= first and column != thing.column and fits(moved, [t for t in things if t is not thing]):
            things[index] = moved
    return scene.with_things(things)


def _keeps_relations(scene: Scene, spec: Spec) -> bool:
    """Whether every relation of the words is true of the things that they are said of."""
    looks = [
        [t for t in scene.things if t.kind == w.kind and w.colour in (None, t.colour)] for w in spec.wants
    ]
    return all(holds(a, r.name, b) for r in spec.relations for a in looks[r.subject] for b in looks[r.object])


def settle(step: ChainStep, planned: Scene, spec: Spec, seen: Scene) -> tuple[ChainStep, Scene]:
    """The new things of both where the picture has them, as far as the plan's words leave their places open.

    Nothing settles where a relation that the goal names would break.
    """
    placed = {w.kind for w in spec.wants if w.columns}
    placed |= {spec.wants[i].kind for r in spec.relations for i in (r.subject, r.object)}
    after = _settled(step.after, step.newest.start, placed, seen)
    if len(after.relations) < len(step.after.relations):
        return step, planned
    return replace(step, after=after), _settled(planned, step.newest.start, placed, seen)


def _settled(scene: Scene, first: int, placed: set[str], seen: Scene) -> Scene:
    things, spare = list(scene.things), list(seen.things)
    for index, thing in enumerate(things):
        of_kind = [s for s in spare if s.kind == thing.kind]
        alike = [s for s in of_kind if s.colour == thing.colour] or of_kind
        if alike:
            nearest = min(alike, key=partial(_distance, thing))
            spare.remove(nearest)
            if index >= first and thing.kind not in placed:
                things[index] = replace(thing, x=nearest.x, y=nearest.y)
    return scene.with_things(things)


def _distance(a: Thing, b: Thing) -> float:
    return math.dist((a.x, a.y), (b.x, b.y))
