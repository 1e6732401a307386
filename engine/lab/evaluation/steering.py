"""Whether the model does what a person changes on the way, and leaves alone what they did not mention.

A case runs to a round, rewrites its plan, writes its critique or paints over its picture, and lets the
model carry on to the end. Obedience: the edit is true in the final picture. Preservation: everything
that stood and was not mentioned still stands. The papers measure neither.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from engine.core.trajectory import Step, last_image, round_numbers, step_seed
from engine.lab.evaluation import simulated_artist
from engine.lab.evaluation.preservation import looks, obeyed, preserved
from engine.lab.evaluation.rollouts import (
    Album,
    Outcome,
    carry_on,
    held_out_scenes,
    prompt_step,
    readable,
    seen_at_end,
)
from engine.lab.evaluation.statistics import Summary, summary
from engine.lab.evaluation.suite import Row, Setup, Suite, shown
from engine.lab.storybook.drawing.render import paint_order, thing_sprite
from engine.lab.storybook.drawing.sprites import stamp
from engine.lab.storybook.judging.judge import judge
from engine.lab.storybook.language import sentences
from engine.lab.storybook.scene.edits import EDIT_KINDS, Add, Edit, Recolour, apply, sample_edit
from engine.lab.storybook.scene.palette import SIDE
from engine.lab.storybook.scene.scene import Scene, Thing

DEPTHS = (1, 2, 3)
OF_THINGS = tuple(kind for kind in EDIT_KINDS if kind != "setting")
KINDS = {"plan": OF_THINGS, "critique": OF_THINGS, "paint": ("add", "recolour")}
"""What may be edited, and by which kinds of edit."""

REMARKS = ("Please change it.", "I want it another way.", "Not quite.", "Change this.")
"""What a person says in place of a verdict."""

MANY = 1_000_000
TRIES = 12


@dataclass(frozen=True)
class Case:
    """Edit ``what`` (a key of ``KINDS``) in round ``depth`` by an edit of ``kind``."""

    number: int
    what: str
    depth: int
    kind: str
    rng: random.Random
    scene: Scene


@dataclass(frozen=True)
class Intervention:
    """The trajectory with the person's step at its end, and what that step changes."""

    steps: list[Step]
    before: Scene
    edit: Edit
    drawn: bool
    """Whether ``before`` is a picture that stands, rather than what the prompt asks for."""


def cases(prompts: int, seed: int) -> list[Case | simulated_artist.Case]:
    """``prompts`` cases for everything to edit in every round, then as many for the simulated artist.

    Round 2 and 3 get scenes of at least two and three looks, so that the model has reason to go so far.
    """
    scenes = held_out_scenes(seed, MANY)
    found: list[Case | simulated_artist.Case] = []
    for number in range(prompts):
        for what, kinds in KINDS.items():
            for depth in DEPTHS:
                rng, scene = _with_looks(scenes, depth)
                found.append(Case(number, what, depth, kinds[number % len(kinds)], rng, scene))
    return found + simulated_artist.cases(prompts, scenes)


def _with_looks(scenes: Iterator[tuple[random.Random, Scene]], least: int) -> tuple[random.Random, Scene]:
    return next((rng, scene) for rng, scene in scenes if len(scene.groups()) >= least)


def examine(setup: Setup, case: Case | simulated_artist.Case) -> Row:
    """The edit made and carried on from; ``possible`` is false where nothing could be edited."""
    if isinstance(case, simulated_artist.Case):
        return simulated_artist.examine(setup, case)
    album, seed = Album(), step_seed(setup.seed, case.number, f"{case.what} {case.depth}")
    made = [prompt_step(sentences.prompt(case.scene, case.rng), seed)]
    if (case.what, case.depth) != ("plan", 1):
        settings = setup.settings.replace(max_rounds=case.depth)
        made = carry_on(setup.model, made, settings, album, seed).steps
    step_in = {"plan": rewrite_plan, "critique": write_critique, "paint": paint_over}[case.what]
    change = step_in(case, made, album)
    row: Row = {"what": case.what, "kind": case.kind, "possible": change is not None}
    if change is None:
        return row
    outcome = carry_on(setup.model, change.steps, setup.settings, album, seed)
    seen = seen_at_end(outcome, album)
    after = apply(change.before, change.edit)
    row["depth"] = round_numbers(change.steps)[-1]
    row["obeyed"] = seen is not None and obeyed(change.before, after, seen)
    row["preserved"] = preserved(change.before, after, seen, case.scene, in_place=change.drawn)
    row["shown"] = _pictures(change, outcome, album, row["obeyed"])
    return row


def _pictures(change: Intervention, outcome: Outcome, album: Album, right: bool) -> list[dict[str, Any]]:
    final, earlier = last_image(outcome.steps), last_image(change.steps)
    words = " ".join(change.steps[-1].fields.values()) or "painted over"
    found = [shown(album[earlier.image], f"before: {words}")] if earlier else []
    return [*found, shown(album[final.image], f"after: {words}", right)] if final else found


def rewrite_plan(case: Case, made: Sequence[Step], album: Album) -> Intervention | None:
    """The plan of the case's round rewritten, or a further one where the model had already ended.

    The first plan is about the whole scene; a later one changes what stands in the picture.
    """
    rounds = round_numbers(made)
    start = list(made[: rounds.index(case.depth)] if case.depth in rounds else made)
    rng, first = case.rng, len(start) == 1
    before = case.scene if first else readable(seen_at_end(Outcome(start), album))
    edit = wish(before, case)
    if before is None or edit is None:
        return None
    after = apply(before, edit)
    words = (
        sentences.instruct_start(after, rng) if first else sentences.instruct_edit(before, edit, after, rng)
    )
    fields = {"instruction": words, "description": sentences.describe(after, rng)}
    return Intervention([*start, Step(start[-1].id, "plan", "person", fields)], before, edit, not first)


def write_critique(case: Case, made: Sequence[Step], album: Album) -> Intervention | None:
    """The round's inspection replaced by one that asks for a change."""
    at = _sketch(made, case.depth)
    before = None if at is None else readable(judge(album[made[at].image]))
    edit = wish(before, case)
    if at is None or before is None or edit is None:
        return None
    order = sentences.instruct_edit(before, edit, apply(before, edit), case.rng)
    fields = {"verdict": case.rng.choice(REMARKS), "correction": order}
    critique = Step(made[at].id, "inspect", "person", fields)
    return Intervention([*made[: at + 1], critique], before, edit, drawn=True)


def paint_over(case: Case, made: Sequence[Step], album: Album) -> Intervention | None:
    """The round's sketch replaced by itself with a figure painted on; only if the judge sees it so."""
    at = _sketch(made, case.depth)
    before = None if at is None else readable(judge(album[made[at].image]))
    edit = wish(before, case)
    if at is None or before is None or not isinstance(edit, Add | Recolour):
        return None
    after = apply(before, edit)
    new = edit.things if isinstance(edit, Add) else [after.things[i] for i in edit.indices]
    painted = composite(album[made[at].image], new)
    if not obeyed(before, after, judge(painted)):
        return None
    sketch = Step(made[at - 1].id, made[at].kind, "person", image=album.keep(painted))
    return Intervention([*made[:at], sketch], before, edit, drawn=True)


def wish(before: Scene | None, case: Case) -> Edit | None:
    """An edit of the case's kind whose outcome nothing that the prompt still brings can be taken for."""
    if before is None:
        return None
    coming = looks(case.scene.things) - looks(before.things)
    for _ in range(TRIES):
        edit = sample_edit(before, case.rng, (case.kind,))
        if edit is not None and not set(coming) & set(
            looks(apply(before, edit).things) - looks(before.things)
        ):
            return edit
    return None


def composite(picture: Image.Image, things: Sequence[Thing]) -> Image.Image:
    """The world's figures laid onto a picture: RGB, 256 × 256."""
    canvas = np.asarray(picture.convert("RGB").resize((SIDE, SIDE)), np.float32).copy()
    for thing in sorted(things, key=paint_order):
        stamp(canvas, thing_sprite(thing), thing.colour, round(thing.x * SIDE), round(thing.y * SIDE))
    return Image.fromarray(np.clip(canvas + 0.5, 0, 255).astype(np.uint8))


def _sketch(made: Sequence[Step], depth: int) -> int | None:
    """Where the first picture of the round is, or of the last round when there are fewer."""
    rounds = round_numbers(made)
    wanted = min(depth, rounds[-1])
    return next((i for i, step in enumerate(made) if step.image and rounds[i] == wanted), None)


def summarise(rows: Sequence[Row]) -> dict[str, Summary]:
    """``obedience`` and ``preservation``: in all, for what was edited, its round and the kind of edit.

    The round is the one that the edit fell into. ``no case`` is the share of cases that had nothing to edit.
    """
    edits = [row for row in rows if "what" in row]
    done = [row for row in edits if row["possible"]]
    found: dict[str, Summary] = {}
    for name, key in (("obedience", "obeyed"), ("preservation", "preserved")):
        found[name] = summary([row[key] for row in done])
        groups: dict[str, list[bool]] = {}
        for row in done:
            what, depth, kind = row["what"], f"round {row['depth']}", row["kind"]
            for part in (what, depth, kind, f"{what}, {depth}", f"{what}, {kind}"):
                groups.setdefault(part, []).append(row[key])
        found |= {f"{name}: {part}": summary(groups[part]) for part in sorted(groups)}
    found["no case"] = summary([not row["possible"] for row in edits])
    return found | simulated_artist.summarise([row for row in rows if "artist" in row])


SUITE = Suite(
    "steering",
    "what a person changes is done, and nothing else",
    ("process",),
    prompts=45,
    cases=cases,
    examine=examine,
    summarise=summarise,
)
