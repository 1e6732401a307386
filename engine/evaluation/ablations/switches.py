"""The ablations that need no training: inspectors, turns of irg, guidance contexts, on one checkpoint.

Every variant draws the prompts of StoryEval with the same seeds. The turns of irg cost one run only: what
stands after turn n of four is what n turns would have made, since a step's seed follows from its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.evaluation import storyeval
from engine.evaluation.ablations.table import Figures
from engine.evaluation.bench import Bench, Row, Suite
from engine.evaluation.runs import Outcome
from engine.evaluation.statistics import summary
from engine.protocols.base import Protocol
from engine.protocols.process import Process
from engine.settings import MOST_TURNS, REFLECTIONS
from engine.world.critique import CAUSES

PASSED = "Fits so far."
"""What stands in place of a verdict that nobody is to hear."""

OFF = 0.0
"""A guidance scale that switches its context off: not 1, the usual one, which a preset takes the place of."""

SHOWN = ("overall", *storyeval.RULES, "everything right", "images a picture")


class Inspectors(Process):
    """The process with only some inspectors heard: ``plan`` (against the prompt), ``sketch`` (against it).

    A verdict that finds a fault of the other cause is taken for one that finds none. A fault without a
    cause is the sketch's.
    """

    def __init__(self, *heard: str) -> None:
        super().__init__()
        self.heard = heard

    def parse(self, kind: str, text: str) -> dict[str, str]:
        fields = super().parse(kind, text)
        if kind == "inspect" and fields["correction"] and cause_of(fields["verdict"]) not in self.heard:
            return {"verdict": PASSED, "correction": ""}
        return fields


def cause_of(verdict: str) -> str:
    """Whose fault a verdict says it is: a key of ``CAUSES``."""
    said = (cause for cause, sayings in CAUSES.items() if any(words in verdict for words in sayings))
    return next(said, "sketch")


@dataclass(frozen=True)
class Variant:
    """What is other than usual: some settings, or the protocol itself."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    protocol: Protocol | None = None


@dataclass(frozen=True)
class Switch:
    """An ablation on one checkpoint. ``figures`` gives the table's lines from a variant's rows."""

    name: str
    sentence: str
    protocol: str
    variants: Sequence[Variant]
    suite: Suite = storyeval.SUITE

    def lines(self, variant: Variant, rows: Sequence[Row]) -> dict[str, Figures]:
        if self.suite is TURNS:
            turns = range(MOST_TURNS)
            return {_turns(n + 1): shown([row["by_turn"][n] for row in rows]) for n in turns}
        return {variant.name: shown(rows)}


def _turns(number: int) -> str:
    return f"{number} turn{'s' if number > 1 else ''}"


def shown(rows: Sequence[Row]) -> Figures:
    """The figures of StoryEval that a table has room for, and the flow updates a picture."""
    found = storyeval.summarise(rows)
    updates = summary([row["cost"]["updates"] / len(row["right"]) for row in rows])
    return {name: found[name] for name in SHOWN if name in found} | {"flow updates": updates}


def examine_turns(bench: Bench, case: storyeval.Prompt) -> Row:
    """Row by row what StoryEval would say after each turn of runs of ``MOST_TURNS`` turns."""
    runs = [storyeval.begin(bench, case, image) for image in range(bench.images)]
    by_turn = []
    for turn in range(1, MOST_TURNS + 1):
        row = storyeval.row_of(case, [(album, upto(outcome, turn)) for album, outcome in runs])
        by_turn.append({key: value for key, value in row.items() if key != "shown"})
    return {"by_turn": by_turn}


def upto(outcome: Outcome, pictures: int) -> Outcome:
    """The run as it stood after so many pictures, or at its end if it has fewer."""
    places = [place for place, step in enumerate(outcome.steps) if step.image]
    end = places[pictures - 1] + 1 if len(places) >= pictures else len(outcome.steps)
    return replace(outcome, steps=outcome.steps[:end])


TURNS = replace(storyeval.SUITE, name="turns", examine=examine_turns)

SWITCHES: dict[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch(
            "inspectors",
            "Each inspector on and off",
            "process",
            (
                Variant("both"),
                Variant("plan against prompt only", protocol=Inspectors("plan")),
                Variant("sketch against plan only", protocol=Inspectors("sketch")),
                Variant("none", protocol=Inspectors()),
            ),
        ),
        Switch(
            "turns",
            "Turns of interleaved reflection",
            "irg",
            (Variant("all", {"turns": MOST_TURNS}),),
            TURNS,
        ),
        Switch(
            "guidance",
            "Guidance contexts on and off",
            "process",
            (
                Variant("none", {"guidance": OFF, "image_guidance": OFF}),
                Variant("text", {"image_guidance": OFF}),
                Variant("text and picture", {"image_guidance": REFLECTIONS["gentle"]["image_guidance"]}),
            ),
        ),
    )
}
