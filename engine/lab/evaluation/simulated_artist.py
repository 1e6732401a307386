"""A simulated artist: how many edits, and how many re-rolls, until the picture is the one they have in mind.

The artist sees as the judge does, asks for one change at a time by a plan of their own, and gives up at
a cap. The hidden scene counts as reached when nothing that its prompt says is wrong in the picture.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from engine.core.trajectory import Step, last_image, step_seed
from engine.lab.evaluation.cost import cost_of
from engine.lab.evaluation.rollouts import Album, carry_on, countable, prompt_step, seen_at_end
from engine.lab.evaluation.statistics import Summary, summary, summary_with_median
from engine.lab.evaluation.suite import Row, Setup, shown
from engine.lab.storybook.judging.faults import faults
from engine.lab.storybook.judging.judge import Seen
from engine.lab.storybook.language import sentences
from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.edits import Add, Edit, Move, Recolour, Remove, Resize, Swap, apply
from engine.lab.storybook.scene.scene import Scene

CAP = 6
"""Edits or re-rolls after which the artist gives up."""

MANY_IMAGES = 50
"""Pictures on one trajectory: an artist goes on where the usual cap would end a run."""


@dataclass(frozen=True)
class Case:
    """A hidden scene and the words that are all the model is told of it."""

    number: int
    text: str
    scene: Scene
    rng: random.Random


def cases(prompts: int, scenes: Iterator[tuple[random.Random, Scene]]) -> list[Case]:
    """As many cases as there are prompts, from held-out scenes."""
    return [
        Case(number, sentences.prompt(scene, rng), scene, rng)
        for number, (rng, scene) in enumerate(islice(scenes, prompts))
    ]


def examine(setup: Setup, case: Case) -> Row:
    """Both ways from the same first picture: edits on one branch, re-rolls with new seeds."""
    seed, album = step_seed(setup.seed, case.number, "artist"), Album()
    setup = replace(setup, settings=setup.settings.replace(max_images=MANY_IMAGES))
    start = prompt_step(case.text, seed)
    first = carry_on(setup.model, [start], setup.settings, album, seed)
    seen = seen_at_end(first, album)
    steps, edits = first.steps, 0
    edits_seen = seen
    while edits < CAP and (edit := next_edit(edits_seen, case.scene)) is not None:
        steps = [*steps, _plan(steps[-1], edits_seen, edit, case.rng)]
        outcome = carry_on(setup.model, steps, setup.settings, album, seed)
        steps, edits = outcome.steps, edits + 1
        edits_seen = seen_at_end(outcome, album)
    rolls, updates, rolled = 0, cost_of(first.steps)["updates"], seen
    while rolls < CAP and not reached(rolled, case.scene):
        rolls += 1
        outcome = carry_on(setup.model, [start], setup.settings, album, step_seed(seed, rolls, "re-roll"))
        rolled = seen_at_end(outcome, album)
        updates += cost_of(outcome.steps)["updates"]
    final = last_image(steps)
    done = reached(edits_seen, case.scene)
    return {
        "artist": True,
        "edits": edits if done else CAP,
        "edits_reach": done,
        "edit_updates": cost_of(steps)["updates"],
        "rolls": rolls,
        "rolls_reach": reached(rolled, case.scene),
        "roll_updates": updates,
        "shown": [shown(album[final.image], f"{case.text} ({edits} edits)", done)] if final else [],
    }


def reached(seen: Seen | None, goal: Scene) -> bool:
    """Whether nothing that the scene's prompt could say is wrong."""
    return seen is not None and not faults(goal, seen)


def next_edit(seen: Seen | None, goal: Scene) -> Edit | None:
    """What the artist asks for next, about things of one look.

    ``None`` when the goal is reached or words fail. Looks come before places, since a place is only wrong
    where a relation is.
    """
    if seen is None or reached(seen, goal) or not countable(now := seen.scene()):
        return None
    edit = min(differences(now, goal), key=lambda edit: isinstance(edit, Move), default=None)
    look = lambda thing: (thing.kind, thing.colour)  # noqa: E731
    match edit:
        case Add(things):
            return Add(tuple(t for t in things if look(t) == look(things[0])))
        case Remove(indices) | Recolour(indices) | Resize(indices) | Swap(indices):
            first = look(now.things[indices[0]])
            return replace(edit, indices=tuple(i for i in indices if look(now.things[i]) == first))
    return edit


def _plan(parent: Step, seen: Seen | None, edit: Edit, rng: random.Random) -> Step:
    assert seen is not None  # next_edit found something in it
    before = seen.scene()
    after = apply(before, edit)
    fields = {
        "instruction": sentences.instruct_edit(before, edit, after, rng),
        "description": sentences.describe(after, rng),
    }
    return Step(parent.id, "plan", "person", fields)


def summarise(rows: Sequence[Row]) -> dict[str, Summary]:
    """Counts with their medians; one that never reached its goal counts as the cap."""
    return {
        f"artist: edits (at most {CAP})": summary_with_median([row["edits"] for row in rows]),
        "artist: reached by edits": summary([row["edits_reach"] for row in rows]),
        "artist: flow updates of edits": summary_with_median([row["edit_updates"] for row in rows]),
        f"artist: re-rolls (at most {CAP})": summary_with_median([row["rolls"] for row in rows]),
        "artist: reached by re-rolls": summary([row["rolls_reach"] for row in rows]),
        "artist: flow updates of re-rolls": summary_with_median([row["roll_updates"] for row in rows]),
    }
