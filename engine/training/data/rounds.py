"""The parts of one round, said and shown into a script: plan, inspection, and the refine that mends.

The text forms are the process protocol's own functions, so a lesson reads as a running session does.
"""

from __future__ import annotations

import random

from engine.protocols.process import inspect_text, plan_text
from engine.training.data.chains import Step
from engine.training.data.script import Script
from engine.world.critique import critique_ok, critique_wrong
from engine.world.scene import Scene


def say_plan(script: Script, step: Step, rng: random.Random, *, loss: bool, author: str = "model") -> None:
    """The step's instruction and the whole picture after it."""
    script.tally[step.operation] += 1
    script.tally["artist"] += author == "person"
    text = plan_text(step.instruction(rng), step.description(rng), author)
    script.say(text, loss=loss, follows="image")


def say_fine(script: Script, step: Step, rng: random.Random, *, loss: bool = True) -> None:
    """The inspection of a picture that shows what it should by now."""
    verdict = critique_ok(step.after, step.pending, rng, step.later(rng))
    script.tally["positive"] += loss
    script.say(inspect_text(verdict), loss=loss, follows=after(step))


def say_wrong_and_mend(
    script: Script, wrong: Scene, step: Step, rng: random.Random, cause: str, mended: Scene | None = None
) -> None:
    """The inspection of a picture that shows ``wrong``, and the refined picture.

    ``cause`` is the part at fault, ``plan`` or ``sketch``. The refine shows ``mended``, or ``step.after``.
    """
    right = mended or step.after
    verdict, wish = critique_wrong(wrong, right, step.pending, rng, cause, step.later(rng))
    script.tally["negative"] += 1
    script.say(inspect_text(verdict, wish), loss=True, follows="image")
    script.show(right, loss=True, follows=after(step))


def after(step: Step) -> str:
    """What follows a finished round: the next plan, or the end."""
    return "end" if step.is_last else "text"
