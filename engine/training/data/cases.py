"""Short lessons about one inspection: a plan held against the prompt, or a sketch held against its plan.

What came before in the session is context and no target. The shares of right and wrong are the papers';
whole trajectories with their own, lower ones are in ``process``.
"""

from __future__ import annotations

import random

from engine.protocols.process import prompt_text
from engine.training.data import conflicts
from engine.training.data.chains import Step, chain
from engine.training.data.conflicts import sample_conflict
from engine.training.data.mismatches import sample_sketch
from engine.training.data.rounds import say_fine, say_plan, say_wrong_and_mend
from engine.training.data.script import Script
from engine.training.data.split import may_be_told, sample_training_scene
from engine.world import language
from engine.world.scene import Scene


def conflict_script(rng: random.Random) -> Script:
    """A plan that fits the prompt so far, or one against it, its picture, and the inspection."""
    is_right = rng.random() < conflicts.POSITIVE
    while True:
        script, prompt, step = begin(sample_training_scene(rng), rng)
        planned = step if is_right else sample_conflict(step, prompt, rng)
        if planned is None:
            continue
        say_plan(script, planned, rng, loss=False)
        script.show(planned.after, loss=True, follows="text")
        if is_right:
            say_fine(script, step, rng)
        else:
            say_wrong_and_mend(script, planned.after, step, rng, "plan")
        if may_be_told(script):
            return script


def mismatch_script(rng: random.Random) -> Script:
    """A right plan, a sketch that follows it or not, and the inspection."""
    while True:
        script, _, step = begin(sample_training_scene(rng), rng)
        sketch = sample_sketch(step, rng)
        say_plan(script, step, rng, loss=False)
        script.show(sketch, loss=sketch == step.after, follows="text")
        if sketch == step.after:
            say_fine(script, step, rng)
        else:
            say_wrong_and_mend(script, sketch, step, rng, "sketch")
        if may_be_told(script):
            return script


def begin(goal: Scene, rng: random.Random) -> tuple[Script, str, Step]:
    """The rounds before a step of an additive chain as context, the prompt's words, and the step."""
    script, prompt = Script(), language.prompt(goal, rng)
    script.say(prompt_text(prompt), loss=False, follows=None)
    steps = chain(goal, rng, varied=0)
    at = rng.randrange(len(steps))
    for step in steps[:at]:
        say_plan(script, step, rng, loss=False)
        script.show(step.after, loss=False, follows=None)
        say_fine(script, step, rng, loss=False)
    return script, prompt, steps[at]
