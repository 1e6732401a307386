"""The parts of one round, written into a script: plan, inspection, and the refine that fixes it.

The text forms are the process protocol's own functions, so a script reads as a running session does.
"""

from __future__ import annotations

import random

from engine.lab.storybook.language import sentences
from engine.lab.storybook.language.critique import critique_ok, critique_wrong
from engine.lab.storybook.scene.edits import Edit, apply
from engine.lab.storybook.scene.scene import Scene, Thing
from engine.lab.training.data.chains import ChainStep
from engine.lab.training.data.script import Script
from engine.protocols.process import inspect_text, plan_text

ARTIST_REMARKS = ("Please change it.", "I want it another way.", "Not quite.", "Nearly.", "Change this.")
"""What the artist says in place of a verdict."""


def say_plan(
    script: Script, step: ChainStep, rng: random.Random, *, loss: bool, author: str = "model"
) -> None:
    """The step's instruction and the whole picture after it."""
    script.tally[step.operation] += 1
    script.tally["artist"] += author == "person"
    text = plan_text(step.instruction(rng), step.description(rng), author)
    script.say(text, loss=loss, follows="image")


def say_fine(script: Script, step: ChainStep, rng: random.Random, *, loss: bool = True) -> None:
    """The inspection of a picture that shows what it should by now."""
    verdict = critique_ok(step.after, step.pending, rng, step.later(rng))
    script.tally["positive"] += loss
    script.say(inspect_text(verdict), loss=loss, follows=after(step))


def say_wrong_and_mend(
    script: Script, wrong: Scene, step: ChainStep, rng: random.Random, cause: str, mended: Scene | None = None
) -> None:
    """The inspection of a picture that shows ``wrong``, and the refined picture.

    ``cause`` is the part at fault, ``plan`` or ``sketch``. The refine shows ``mended``, or ``step.after``.
    """
    right = mended or step.after
    verdict, wish = critique_wrong(wrong, right, step.pending, rng, cause, step.later(rng))
    script.tally["negative"] += 1
    script.say(inspect_text(verdict, wish), loss=True, follows="image")
    script.show(right, loss=True, follows=after(step))


def say_artist_critique(script: Script, step: ChainStep, edit: Edit, rng: random.Random) -> Scene:
    """The artist finds a fault where there was none, and the model obeys; returns what stands then."""
    changed = apply(step.after, edit)
    remark, wish = rng.choice(ARTIST_REMARKS), sentences.instruct_edit(step.after, edit, changed, rng)
    script.tally["artist"] += 1
    script.say(inspect_text(remark, wish, author="person"), loss=False, follows="image")
    script.show(changed, loss=True, follows=after(step))
    return changed


def say_artist_plan(
    script: Script, now: Scene, edit: Edit, coming: tuple[Thing, ...], rng: random.Random
) -> Scene:
    """The artist plans a change to what already stands, and the model obeys; returns what stands then."""
    step = ChainStep(now, edit, apply(now, edit), Scene(now.background, coming).groups(), coming)
    say_plan(script, step, rng, loss=False, author="person")
    script.show(step.after, loss=True, follows="text")
    say_fine(script, step, rng)
    return step.after


def after(step: ChainStep) -> str:
    """What follows a finished round: the next plan, or the end."""
    return "end" if step.is_last else "text"
