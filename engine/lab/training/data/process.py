"""Whole process trajectories: Plan, Sketch, Inspect, Refine, round after round, and now and then the artist.

A script is what one session could have been. The scene graph behind it is exact, so every sentence is true
of its picture. Grammar: arXiv 2604.04746 (its figures). Whether
plans and sketches go wrong on the way is the data variant's choice; scripts from a model's own sketches come
from ``self_sampling``.
"""

from __future__ import annotations

import random
from dataclasses import replace

from engine.lab.storybook.language import sentences
from engine.lab.storybook.scene.edits import EDIT_KINDS, Add, apply
from engine.lab.storybook.scene.scene import Scene, Thing
from engine.lab.training.data.chains import VARIED, ChainStep, additive, chain
from engine.lab.training.data.changes import sample_change
from engine.lab.training.data.conflicts import sample_conflict
from engine.lab.training.data.mismatches import sample_mismatch
from engine.lab.training.data.rounds import (
    say_artist_critique,
    say_artist_plan,
    say_fine,
    say_plan,
    say_wrong_and_mend,
)
from engine.lab.training.data.script import Script
from engine.lab.training.data.split import may_be_told, sample_training_scene
from engine.protocols.process import prompt_text

# How often a script holds what (fractions of rounds).
MISTAKEN_SKETCH = 0.19
CONFLICTING_PLAN = 0.1
ARTIST_PLAN = 0.2
ARTIST_REFINE = 0.06
ARTIST_AFTERWARDS = 0.14
MAX_IMAGES = 6
ARTIST_EDITS = EDIT_KINDS[:6]


def process_script(rng: random.Random, *, varied: float = VARIED, may_fail: bool = True) -> Script:
    """One whole trajectory of at most ``MAX_IMAGES`` pictures, none of which is held out.

    ``varied`` is the share of chains that don't only add; 0 is the papers' add-only ablation. Where it
    ``may_fail``, some plans and sketches go wrong and are put right.
    """
    while True:
        script = _Telling(rng, varied, may_fail).tell()
        if script.images <= MAX_IMAGES and may_be_told(script):
            return script


class _Telling:
    """A trajectory being told: the script so far, and the steps still to come."""

    def __init__(self, rng: random.Random, varied: float, may_fail: bool) -> None:
        self.rng, self.may_fail, self.script = rng, may_fail, Script()
        self.goal = sample_training_scene(rng)
        self.prompt = sentences.prompt(self.goal, rng)
        self.steps = chain(self.goal, rng, varied)

    def tell(self) -> Script:
        self.script.say(prompt_text(self.prompt), loss=False, follows="text")
        now: Scene | None = None
        while self.steps:
            if now is not None and self.happens(ARTIST_PLAN / 2) and self.only_adds():
                now = self.artist_plan(now)
                continue
            step, *self.steps = self.steps
            now = self.play(step)
            if now != step.after:
                self.go_on_from(now)
        if now is not None and self.happens(ARTIST_AFTERWARDS):
            self.artist_plan(now)
        return self.script

    def happens(self, share: float) -> bool:
        return self.rng.random() < share

    def only_adds(self, *more: ChainStep) -> bool:
        """Whether what is still to come goes with anything the artist may do."""
        return all(isinstance(s.edit, Add) and not s.changes for s in (*more, *self.steps))

    def coming(self) -> tuple[Thing, ...]:
        return tuple(thing for step in self.steps if isinstance(step.edit, Add) for thing in step.edit.things)

    def go_on_from(self, now: Scene) -> None:
        """The same things still to be added, to what the artist made of the picture."""
        self.steps = additive(self.goal, now, [s.edit.things for s in self.steps if isinstance(s.edit, Add)])

    def play(self, step: ChainStep) -> Scene:
        """One round; returns the scene that stands after it."""
        script, rng = self.script, self.rng
        if self.happens(ARTIST_PLAN) and self.only_adds(step):
            step = self.rewritten(step)
            say_plan(script, step, rng, loss=False, author="person")
        elif (
            self.may_fail
            and self.happens(CONFLICTING_PLAN)
            and (planned := sample_conflict(step, self.prompt, rng)) is not None
        ):
            say_plan(script, planned, rng, loss=False)
            script.show(planned.after, loss=True, follows="text")
            say_wrong_and_mend(script, planned.after, step, rng, "plan")
            return step.after
        else:
            say_plan(script, step, rng, loss=True)
        if self.may_fail and self.happens(MISTAKEN_SKETCH):
            wrong = sample_mismatch(step, rng)
            script.show(wrong, loss=False, follows="text", rejected=True)
            say_wrong_and_mend(script, wrong, step, rng, "sketch")
            return step.after
        script.show(step.after, loss=True, follows="text")
        if self.happens(ARTIST_REFINE) and self.only_adds(step):
            return self.artist_refine(step)
        say_fine(script, step, rng)
        return step.after

    def rewritten(self, step: ChainStep) -> ChainStep:
        """The step as the artist rewrites the plan that was about to be carried out."""
        kinds = ("recolour", "swap", "move", "add")
        edit = sample_change(step.after, step.coming, step.newest, self.rng, kinds)
        if edit is None:
            return step
        changed = apply(step.after, edit)
        return replace(step, edit=Add(changed.things[step.newest.start :]), after=changed)

    def artist_refine(self, step: ChainStep) -> Scene:
        """The artist finds a fault where there was none, and the model obeys."""
        rng, right = self.rng, step.after
        edit = sample_change(right, step.coming, range(len(right.things)), rng, ARTIST_EDITS)
        if edit is None:
            say_fine(self.script, step, rng)
            return right
        return say_artist_critique(self.script, step, edit, rng)

    def artist_plan(self, now: Scene) -> Scene:
        """The artist writes a plan of their own about what already stands."""
        rng, coming = self.rng, self.coming()
        edit = sample_change(now, coming, range(len(now.things)), rng, ARTIST_EDITS)
        if edit is None:
            return now
        changed = say_artist_plan(self.script, now, edit, coming, rng)
        self.go_on_from(changed)
        return changed
