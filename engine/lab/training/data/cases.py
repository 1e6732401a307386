"""Short scripts about one inspection: a plan compared with the prompt, and a sketch with its plan.

A case is what happened, whoever made it happen: here scenes corrupted by code, in ``self_sampling`` a
model's own plans and sketches. What came before in the session is context and no target. The shares of
right and wrong are the papers'; whole trajectories with their own, lower ones are in ``process``.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass

from engine.lab.storybook.language import sentences
from engine.lab.storybook.scene.differences import differences, with_relations
from engine.lab.storybook.scene.edits import apply
from engine.lab.storybook.scene.sampling import fits
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data import conflicts
from engine.lab.training.data.chains import ChainStep, chain
from engine.lab.training.data.conflicts import sample_conflict
from engine.lab.training.data.mismatches import sample_sketch
from engine.lab.training.data.rounds import say_fine, say_plan, say_wrong_and_mend
from engine.lab.training.data.script import Script, Shown, seen_in
from engine.lab.training.data.split import may_be_told, sample_training_scene
from engine.protocols.process import prompt_text

MOST_FAULTS = 3
"""A picture with more of them teaches no repair."""


@dataclass(frozen=True)
class Case:
    """A plan and its sketch, to be inspected.

    ``told`` is the session up to and with the plan, ``step`` what the plan should lead to by the prompt,
    ``planned`` what it does lead to, and ``sketch`` the picture.
    """

    told: Script
    step: ChainStep
    planned: Scene
    sketch: Shown


def case_script(case: Case, rng: random.Random) -> Script | None:
    """The script of a case: the sketch, the inspection and, when something is wrong, the refined picture.

    A model's own sketch is never a target, a rendered one is if it does as planned. None for a sketch with
    more than ``MOST_FAULTS``, and for a script that would render a held-out scene.
    """
    script, step = copy.deepcopy(case.told), case.step
    seen = seen_in(case.sketch)
    edits = differences(seen, step.after)
    if len(edits) > MOST_FAULTS:
        return None
    cause = "plan" if differences(case.planned, step.after) else "sketch"
    as_planned = case.sketch == case.planned
    script.show(case.sketch, loss=as_planned, follows="text", rejected=bool(edits) and cause == "sketch")
    if edits:
        mended = step.after if seen is case.sketch else mend(seen, step.after)
        say_wrong_and_mend(script, seen, step, rng, cause, mended)
    else:
        say_fine(script, step, rng)
    return script if may_be_told(script) else None


def mend(seen: Scene, right: Scene) -> Scene:
    """``seen`` with its faults mended and all else where it stands, or ``right`` if things would touch."""
    now = seen
    for edit in differences(seen, right):
        now = apply(now, edit)
    if all(fits(t, [o for o in now.things if o is not t]) for t in now.things):
        return with_relations(now, right)
    return right


def conflict_case(rng: random.Random) -> Case:
    """A plan that fits the prompt so far or one that is against it, with a sketch that does as planned."""
    is_right = rng.random() < conflicts.POSITIVE
    while True:
        script, prompt, step = begin(sample_training_scene(rng), rng)
        planned = step if is_right else sample_conflict(step, prompt, rng)
        if planned is not None:
            say_plan(script, planned, rng, loss=False)
            return Case(script, step, planned.after, planned.after)


def mismatch_case(rng: random.Random) -> Case:
    """A right plan, with a sketch that follows it or one that doesn't."""
    script, _, step = begin(sample_training_scene(rng), rng)
    say_plan(script, step, rng, loss=False)
    return Case(script, step, step.after, sample_sketch(step, rng))


def conflict_script(rng: random.Random) -> Script:
    """The script of a :func:`conflict_case`."""
    while (script := case_script(conflict_case(rng), rng)) is None:
        pass
    return script


def mismatch_script(rng: random.Random) -> Script:
    """The script of a :func:`mismatch_case`."""
    while (script := case_script(mismatch_case(rng), rng)) is None:
        pass
    return script


def begin(goal: Scene, rng: random.Random) -> tuple[Script, str, ChainStep]:
    """The rounds before a step of an additive chain as context, the prompt's words, and the step."""
    script, prompt, steps = opening(goal, rng)
    for step in steps[:-1]:
        say_plan(script, step, rng, loss=False)
        say_before(script, step, step.after, rng)
    return script, prompt, steps[-1]


def opening(goal: Scene, rng: random.Random) -> tuple[Script, str, list[ChainStep]]:
    """A session that is only prompted, the prompt's words, and the steps of an additive chain up to one."""
    script, prompt = Script(), sentences.prompt(goal, rng)
    script.say(prompt_text(prompt), loss=False, follows=None)
    steps = chain(goal, rng, varied=0)
    return script, prompt, steps[: rng.randrange(len(steps)) + 1]


def say_before(script: Script, step: ChainStep, shown: Shown, rng: random.Random) -> None:
    """The picture of a round that went well and its inspection, as context."""
    script.show(shown, loss=False, follows=None)
    say_fine(script, step, rng, loss=False)
