"""What Inspect notices in whole runs: plans compared with the prompt, and the model's own sketches.

The rounds before are written and rendered as in training, of scenes that training never shows. A plan against
the prompt is carried out exactly, so the fault is the plan's. An own sketch is drawn after a right plan, and
the judge says what is wrong in it, by the rules that label self-sampled scripts. Nothing is refined here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.core.trajectory import Step, step_seed
from engine.lab.evaluation.rollouts import Album, carry_on
from engine.lab.evaluation.statistics import Summary, summary
from engine.lab.evaluation.suite import Row, Setup, shown
from engine.lab.evaluation.verdicts import mistakes_of, named_in
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.judging.judge import judge
from engine.lab.storybook.language.parse import parse_prompt
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.cases import begin
from engine.lab.training.data.chains import ChainStep
from engine.lab.training.data.conflicts import sample_conflict
from engine.lab.training.data.rounds import say_plan
from engine.lab.training.data.script import Script
from engine.lab.training.data.self_sampling import settle, trajectory_of

CONFLICT, FITS, OWN = "plan conflict", "plan fits", "own sketch"
SHOWS = (CONFLICT, FITS, OWN)


@dataclass(frozen=True)
class Round:
    """A session up to and with a plan, which is about to be drawn.

    ``step`` is what the plan should lead to by the prompt, ``planned`` what it does lead to.
    """

    number: int
    shows: str
    told: Script
    prompt: str
    step: ChainStep
    planned: ChainStep


def sample(number: int, shows: str, scenes: Iterator[tuple[random.Random, Scene]]) -> Round:
    """A round of the next scene that offers one; the same lots fall for the same scenes."""
    for rng, whole in scenes:
        told, prompt, step = begin(whole, rng)
        planned = sample_conflict(step, prompt, rng) if shows == CONFLICT else step
        if planned is not None:
            say_plan(told, planned, rng, loss=False)
            return Round(number, shows, told, prompt, step, planned)
    raise ValueError(f"there are no held-out scenes left for the case {shows!r}; ask for fewer prompts")


def examine(setup: Setup, case: Round) -> Row:
    """The verdict on the round's sketch, and in ``wrong`` the kinds of its mistakes.

    A row without ``wrong``: the model drew no sketch.
    """
    album, seed = Album(), step_seed(setup.seed, case.number, case.shows)
    start = trajectory_of(case.told, case.prompt, album.keep)
    if case.shows == OWN:
        plan = start[-1]
        start = carry_on(
            setup.model, start, setup.settings, album, seed, limit=1, protocol=setup.protocol
        ).steps
        if start[-1] == plan:
            return {"shows": case.shows}
        wrong = wrong_in(album, start[-1], case.step, plan.fields["description"])
    else:
        picture = album.keep(render(case.planned.after))
        start.append(Step(start[-1].id, "sketch", "model", image=picture))
        wrong = mistakes_of(case.planned.after, case.step.after)
    row, says = inspected(setup, start, album, seed)
    right = row["alarm"] == bool(wrong)
    words = f"{case.shows}: {says}"
    return {"shows": case.shows, "wrong": sorted(wrong), **row} | {
        "shown": [shown(album[start[-1].image], words, right)]
    }


def wrong_in(album: Album, sketch: Step, step: ChainStep, description: str) -> set[str]:
    """The kinds of mistakes that the judge sees in a sketch of ``step``.

    What the step adds may stand wherever the plan's words leave it open.
    """
    seen = judge(album[sketch.image]).scene()
    if spec := parse_prompt(description):
        step, _ = settle(step, step.after, spec, seen)
    return mistakes_of(seen, step.after)


def inspected(setup: Setup, start: list[Step], album: Album, seed: int) -> tuple[Row, str]:
    """What a row says of the model's verdict on the picture at the end of ``start``, and its words."""
    steps = carry_on(setup.model, start, setup.settings, album, seed, limit=1, protocol=setup.protocol).steps
    verdict = steps[-1] if len(steps) > len(start) else None
    says = verdict.fields["verdict"] if verdict else ""
    alarm = verdict is not None and verdict.is_fault
    return {
        "read": verdict is not None,
        "alarm": alarm,
        "named": sorted(named_in(says)) if alarm else [],
    }, says


def figures(name: str, rows: Sequence[Row]) -> dict[str, Summary]:
    """What the alarms of these rows are worth; each row says what is ``wrong`` in its picture.

    Precision: of all alarms those on something wrong. Recall: of all that is wrong what got an alarm.
    """
    wrong = [row for row in rows if row["wrong"]]
    return {
        f"inspect: precision, {name}": summary([bool(row["wrong"]) for row in rows if row["alarm"]]),
        f"inspect: recall, {name}": summary([row["alarm"] for row in wrong]),
        f"inspect: false alarms, {name}": summary([row["alarm"] for row in rows if not row["wrong"]]),
    }


def summarise(rows: Sequence[Row]) -> dict[str, Summary]:
    """The figures of both, each apart; ``named``: an alarm on something wrong names a mistake it has.

    ``wrong, own sketch`` is the share of the model's own sketches that are wrong.
    """
    found: dict[str, Summary] = {}
    for name, of in ((CONFLICT, (CONFLICT, FITS)), (OWN, (OWN,))):
        these = [row for row in rows if row["shows"] in of and "wrong" in row]
        named = [bool({*row["wrong"]} & {*row["named"]}) for row in these if row["wrong"]]
        found |= figures(name, these) | {f"inspect: named, {name}": summary(named)}
        if name == OWN:
            found[f"wrong, {OWN}"] = summary([bool(row["wrong"]) for row in these])
    return found
