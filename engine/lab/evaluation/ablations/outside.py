"""Help from outside in a run: plans, verdicts or the choice among pictures, by an oracle.

As arXiv 2604.04746 compares them (its table 4): an outside planner, an outside inspector, and step-wise
best of N as PARM (arXiv 2501.13926) has it. There other models help, and they may be wrong; here the hidden
scene plans, and the judge that scores the pictures also inspects or picks them. So these are bounds of what
such help could bring and no methods, and never how anybody paints: a person has no judge that knows what
they have in mind.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from engine.core.trajectory import Step, step_seed
from engine.lab.evaluation import storyeval
from engine.lab.evaluation.cost import added, cost_of
from engine.lab.evaluation.rollouts import Album, Outcome, carry_on, countable, prompt_step
from engine.lab.evaluation.suite import Row, Setup
from engine.lab.storybook.judging.faults import faults
from engine.lab.storybook.judging.judge import Seen, judge
from engine.lab.storybook.language.critique import critique_ok, critique_wrong
from engine.lab.storybook.scene.differences import differences, pending_groups
from engine.lab.storybook.scene.edits import Add, Edit, Move, apply
from engine.lab.storybook.scene.scene import Scene, Thing
from engine.lab.training.data.chains import chain

TRIES = 4
"""Pictures of a step, of which the best is kept. PARM draws 20."""

WRONG = 10
"""A fault in a picture weighs as much as so many things that are not there yet."""

WORDLESS = "This fits."
"""What an inspector says of a picture that the world has no words for."""


@dataclass(frozen=True)
class Help:
    """What is done for the model: all ``plans``, all inspections, the choice among ``tries`` pictures a step.

    It draws every picture itself, and writes what nobody writes for it.
    """

    plans: bool = False
    inspects: bool = False
    tries: int = 1

    def examine(self, setup: Setup, case: storyeval.Prompt) -> Row:
        """A row of StoryEval; every picture that was drawn counts in its cost, kept or not."""
        sessions = [_Rollout(self, setup, case, image) for image in range(setup.images)]
        for session in sessions:
            session.run()
        row = storyeval.row_of(case, [(session.album, session.outcome) for session in sessions])
        return row | {"cost": added([row["cost"], *(cost_of(session.lost) for session in sessions)])}


class _Rollout:
    """One picture of a prompt on its way. ``lost`` are the steps that were tried and not kept."""

    def __init__(self, helped: Help, setup: Setup, case: storyeval.Prompt, image: int) -> None:
        self.help, self.setup, self.scene = helped, setup, case.scene
        self.seed, self.album = step_seed(setup.seed, case.number, case.tag, image), Album()
        self.rng = random.Random(f"outside-{self.seed}")
        self.plans = chain(case.scene, self.rng, varied=0) if helped.plans else []
        self.outcome = Outcome([prompt_step(case.text, self.seed)])
        self.lost: list[Step] = []

    def run(self) -> None:
        while not self.outcome.finished:
            tip = self.outcome.steps[-1]
            if self.help.plans and opens_round(tip):
                self.outcome.finished = not self.plans
                if self.plans:
                    self.say(tip, "plan", self.next_plan())
            elif self.help.inspects and tip.kind == "sketch":
                verdict = verdict_on(judge(self.album[tip.image]), self.scene, self.rng)
                self.say(tip, "inspect", verdict)
            elif not self.make():
                return

    def next_plan(self) -> dict[str, str]:
        step, *self.plans = self.plans
        return {"instruction": step.instruction(self.rng), "description": step.description(self.rng)}

    def say(self, tip: Step, kind: str, fields: dict[str, str]) -> None:
        """Told as the model's own words: what is other than usual is only who wrote them."""
        self.outcome.steps.append(Step(tip.id, kind, "model", fields))

    def make(self) -> bool:
        """The model's next step, a picture as often as one is to be picked; False when none follows."""
        steps, before = self.outcome.steps, self.outcome
        draws = steps[-1].kind == "plan" or steps[-1].is_fault
        tries = [self.attempt(number) for number in range(self.help.tries if draws else 1)]
        best = max(tries, key=self.worth) if len(tries) > 1 else tries[0]
        self.lost += [step for other in tries if other is not best for step in other.steps[len(steps) :]]
        best.well_formed &= before.well_formed
        self.outcome = best
        return len(best.steps) > len(steps)

    def attempt(self, number: int) -> Outcome:
        """The next step under a seed of its own; the first is the one that is drawn without help."""
        setup, seed = self.setup, step_seed(self.seed, number, "try") if number else self.seed
        steps, settings = self.outcome.steps, setup.settings
        return carry_on(setup.model, steps, settings, self.album, seed, limit=1, protocol=setup.protocol)

    def worth(self, tried: Outcome) -> float:
        """How near a picture comes to the hidden scene; a try without one is worth least."""
        tip = tried.steps[-1]
        if tip.image is None:
            return float("-inf")
        seen = judge(self.album[tip.image])
        due, missing = due_by_now(seen.scene(), self.scene)
        return -(WRONG * len(faults(due, seen)) + len(missing))


def opens_round(tip: Step) -> bool:
    """Whether a plan follows, or the end."""
    return tip.kind in ("prompt", "refine") or (tip.kind == "inspect" and not tip.is_fault)


def due_by_now(now: Scene, whole: Scene) -> tuple[Scene, list[Thing]]:
    """What of ``whole`` the picture means to show, rightly or not, and the things that are not there yet."""
    missing = [thing for edit in differences(now, whole) if isinstance(edit, Add) for thing in edit.things]
    return whole.subset(i for i, thing in enumerate(whole.things) if thing not in missing), missing


def verdict_on(seen: Seen, whole: Scene, rng: random.Random) -> dict[str, str]:
    """The fields of an inspection of a picture on its way to ``whole``, in the world's own words.

    What is missing may still come, and a place is only wrong where a relation is.
    """
    now = seen.scene()
    if not countable(now):
        return {"verdict": WORDLESS, "correction": ""}
    due, _ = due_by_now(now, whole)
    pending = pending_groups(due, whole)
    edits = differences(now, due)
    if not edits or not faults(due, seen):
        return {"verdict": critique_ok(now, pending, rng), "correction": ""}
    verdict, correction = critique_wrong(now, _mended(now, due, edits), pending, rng)
    return {"verdict": verdict, "correction": correction}


def _mended(now: Scene, due: Scene, edits: Sequence[Edit]) -> Scene:
    """Looks come before places, as for the artist; a picture with only places to mend gets them all."""
    looks = [edit for edit in edits if not isinstance(edit, Move)]
    if not looks:
        return due
    for edit in looks:
        now = apply(now, edit)
    return now
