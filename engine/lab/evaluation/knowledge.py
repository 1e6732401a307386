"""What Inspect and Refine know: shown pictures that are right, wrong in one way, or not finished yet.

The papers report none of this. ``inspect`` figures are of the model's verdicts, told apart by whose the
mistakes are: ``rendered`` ones are made by code, so the truth about them is exact; those of plans and of the
model's own sketches are in ``inspections``. ``refine`` figures are of its pictures after a verdict that is
true; ``drift`` is what happens to things that nobody mentions while another is changed round after round.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from engine.core.trajectory import Step, last_image, step_seed
from engine.lab.evaluation import inspections
from engine.lab.evaluation.preservation import kept, share_kept, strangers
from engine.lab.evaluation.rollouts import Album, carry_on, held_out_scenes, prompt_step, seen_at_end
from engine.lab.evaluation.statistics import Summary, summary
from engine.lab.evaluation.suite import Row, Setup, Suite, shown
from engine.lab.evaluation.verdicts import MISTAKES, mistakes_of, one_mistake
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.judging.judge import judge
from engine.lab.storybook.language import sentences
from engine.lab.storybook.language.critique import critique_ok, critique_wrong
from engine.lab.storybook.scene.differences import pending_groups
from engine.lab.storybook.scene.edits import Recolour, apply
from engine.lab.storybook.scene.palette import COLOURS, SIDE
from engine.lab.storybook.scene.scene import Scene, Thing

MANY = 1_000_000
FINE = ("right", "not drawn yet")
ROUNDS = 5
"""Of drift."""

AROUND = 12 / 256
"""Room around a changed thing, a share of the picture, that no drift is measured in."""


@dataclass(frozen=True)
class Case:
    """``shows`` is a kind of mistake, ``right``, ``not drawn yet`` or ``drift``.

    ``whole`` is what the prompt asks for, ``right`` what the picture should show by now, ``picture`` what it
    does show.
    """

    number: int
    shows: str
    rng: random.Random
    whole: Scene
    right: Scene
    picture: Scene


def cases(prompts: int, seed: int) -> list[Case | inspections.Round]:
    """For each prompt a picture of every mistake, two that are right (one not finished) and one drift.

    Also a plan against its prompt, one that fits it, and a plan that the model is to sketch itself.
    """
    scenes, of_rounds = held_out_scenes(seed, MANY), held_out_scenes(seed, MANY)
    found: list[Case | inspections.Round] = []
    for number in range(prompts):
        found += [_case(number, shows, scenes) for shows in (*MISTAKES, *FINE, "drift")]
        found += [inspections.sample(number, shows, of_rounds) for shows in inspections.SHOWS]
    return found


def _case(number: int, shows: str, scenes: Iterator[tuple[random.Random, Scene]]) -> Case:
    """Every second wrong picture is of an unfinished scene, where the scene has two looks or more."""
    for rng, whole in scenes:
        looks = len(whole.groups())
        if shows in ("not drawn yet", "drift") and looks < 2:
            continue
        unfinished = shows == "not drawn yet" or (shows in MISTAKES and number % 2 == 1 and looks > 1)
        right = some_of(whole, rng) if unfinished else whole
        picture = one_mistake(right, shows, rng) if shows in MISTAKES else right
        if picture is not None:
            return Case(number, shows, rng, whole, right, picture)
    raise ValueError(f"there are no held-out scenes left for the case {shows!r}; ask for fewer prompts")


def some_of(whole: Scene, rng: random.Random) -> Scene:
    """What may stand after a first round: some of the scene's looks, not all."""
    groups = rng.sample(whole.groups(), rng.randrange(1, len(whole.groups())))
    return whole.subset(index for group in groups for index in group.indices)


def examine(setup: Setup, case: Case | inspections.Round) -> Row:
    """The model's verdict on the picture and, where it is wrong, the picture it makes of a true verdict."""
    if isinstance(case, inspections.Round):
        return inspections.examine(setup, case)
    if case.shows == "drift":
        return drift(setup, case)
    album, seed = Album(), step_seed(setup.seed, case.number, case.shows)
    start = begin(case, album, seed)
    verdict, says = inspections.inspected(setup, start, album, seed)
    wrong = [case.shows] if case.shows in MISTAKES else []
    words = f"{case.shows}: {says}" if says else case.shows
    row: Row = {"shows": case.shows, "wrong": wrong, **verdict}
    row["shown"] = [shown(render(case.picture), words, row["alarm"] == bool(wrong))]
    if case.shows in MISTAKES:
        row["mended"], row["overdone"], pictures = refine(setup, case, start, album, seed)
        row["shown"] += pictures
    return row


def begin(case: Case, album: Album, seed: int) -> list[Step]:
    """Prompt, the plan of what should be there by now, and the picture as its sketch."""
    prompt = prompt_step(sentences.prompt(case.whole, case.rng), seed)
    fields = {
        "instruction": sentences.instruct_start(case.right, case.rng),
        "description": sentences.describe(case.right, case.rng),
    }
    plan = Step(prompt.id, "plan", "model", fields)
    return [prompt, plan, Step(plan.id, "sketch", "person", image=album.keep(render(case.picture)))]


def refine(
    setup: Setup, case: Case, start: Sequence[Step], album: Album, seed: int
) -> tuple[bool, bool, list[dict[str, Any]]]:
    """(mended: nothing is wrong any more, overdone: something else was changed as well, pictures).

    Something else is what was right and is not so any more, or a look that nobody asked for and that was
    not in the picture before.
    """
    pending = pending_groups(case.right, case.whole)
    verdict, correction = critique_wrong(case.picture, case.right, pending, case.rng)
    inspect = Step(start[-1].id, "inspect", "model", {"verdict": verdict, "correction": correction})
    outcome = carry_on(setup.model, [*start, inspect], setup.settings, album, seed, limit=1)
    if outcome.steps[-1] == inspect:
        return False, False, []
    picture = album[outcome.steps[-1].image]
    seen = judge(picture)
    mended = not mistakes_of(seen.scene(), case.right)
    fine = tuple(thing for thing in case.picture.things if thing in case.right.things)
    strayed = case.shows != "background" and seen.background != case.right.background
    overdone = share_kept(fine, seen) < 1 or strayed or bool(strangers(seen, case.picture, case.right))
    return mended, overdone, [shown(picture, f"refined: {correction}", mended)]


def drift(setup: Setup, case: Case) -> Row:
    """``ROUNDS`` recolours of the first thing's group; the rest is held against the first picture."""
    album, seed = Album(), step_seed(setup.seed, case.number, "drift")
    steps, now = begin(case, album, seed), case.whole
    first = render(case.whole)
    verdict = {"verdict": critique_ok(now, (), case.rng), "correction": ""}
    steps.append(Step(steps[-1].id, "inspect", "model", verdict))
    changed = now.groups()[0].indices
    rest = tuple(thing for i, thing in enumerate(now.things) if i not in changed)
    standing = list(rest)
    share, held, strayed, pictures = [], [], [], [shown(first, "drift: at first")]
    for number in range(1, ROUNDS + 1):
        taken = {thing.colour for thing in now.things}
        edit = Recolour(changed, case.rng.choice([colour for colour in COLOURS if colour not in taken]))
        after = apply(now, edit)
        fields = {
            "instruction": sentences.instruct_edit(now, edit, after, case.rng),
            "description": sentences.describe(after, case.rng),
        }
        steps = [*steps, Step(steps[-1].id, "plan", "person", fields)]
        made = carry_on(setup.model, steps, setup.settings, album, seed, limit=2)
        if made.steps[-1].is_fault:
            made = carry_on(setup.model, made.steps, setup.settings, album, seed, limit=1)
        if made.steps == steps:
            break
        steps, now = made.steps, after
        last = last_image(steps)
        assert last is not None  # the run began with a picture
        picture = album[last.image]
        still = kept(rest, seen_at_end(made, album))
        held += [thing in still for thing in standing]
        standing = still
        share.append(len(still) / len(rest))
        strayed.append(pixels_apart(first, picture, [case.whole.things[i] for i in changed]))
        pictures.append(shown(picture, f"drift: round {number}, {fields['instruction']}", share[-1] == 1))
    return {"shows": "drift", "kept": share, "held": held, "strayed": strayed, "shown": pictures}


def pixels_apart(first: Image.Image, later: Image.Image, changed: Sequence[Thing]) -> float:
    """The mean difference of two pictures outside the changed things' boxes, 0 to 1."""
    a, b = (np.asarray(p.convert("RGB").resize((SIDE, SIDE)), np.float32) / 255 for p in (first, later))
    outside = np.ones((SIDE, SIDE), bool)
    for thing in changed:
        left, top, right, bottom = (round(side * SIDE) for side in _wider(thing.box))
        outside[max(0, top) : bottom, max(0, left) : right] = False
    return float(np.abs(a - b)[outside].mean())


def _wider(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    return left - AROUND, top - AROUND, right + AROUND, bottom + AROUND


def summarise(rows: Sequence[Row]) -> dict[str, Summary]:
    """The figures of ``inspections`` for each of the three, of refines and of drift.

    For a kind of rendered mistake: recall is any alarm on it, precision that a verdict which names the kind
    is about such a picture, ``named`` that the alarm on it names it. Of drift, ``unchanged a round`` is the
    share of the standing things that the next round left standing, ``kept`` what is left of those at first.
    """
    seen = [row for row in rows if row["shows"] in (*MISTAKES, *FINE)]
    wrong = [row for row in seen if row["wrong"]]
    found = inspections.figures("rendered", seen) | inspections.summarise(rows)
    found["inspect: readable"] = summary([row["read"] for row in rows if "read" in row])
    for shows in FINE:
        alarms = [row["alarm"] for row in seen if row["shows"] == shows]
        found[f"inspect: false alarms, {shows}"] = summary(alarms)
    for kind in MISTAKES:
        of_kind = [row for row in wrong if row["shows"] == kind]
        naming = [row for row in seen if kind in row["named"]]
        found[f"inspect: recall, {kind}"] = summary([row["alarm"] for row in of_kind])
        found[f"inspect: named, {kind}"] = summary([kind in row["named"] for row in of_kind])
        found[f"inspect: precision, {kind}"] = summary([row["shows"] == kind for row in naming])
    found["refine: mended"] = summary([row["mended"] for row in wrong])
    found["refine: overdone"] = summary([row["overdone"] for row in wrong])
    for kind in MISTAKES:
        mended = [row["mended"] for row in wrong if row["shows"] == kind]
        found[f"refine: mended, {kind}"] = summary(mended)
    drifts = [row for row in rows if row["shows"] == "drift"]
    found["drift: unchanged a round"] = summary(
        [sum(r["held"]) / len(r["held"]) for r in drifts if r["held"]]
    )
    for number in range(ROUNDS):
        there = [row for row in drifts if len(row["kept"]) > number]
        found[f"drift: kept, round {number + 1}"] = summary([row["kept"][number] for row in there])
        found[f"drift: pixels, round {number + 1}"] = summary([row["strayed"][number] for row in there])
    return found


SUITE = Suite(
    "knowledge",
    "what Inspect and Refine know",
    ("process",),
    prompts=40,
    cases=cases,
    examine=examine,
    summarise=summarise,
)
