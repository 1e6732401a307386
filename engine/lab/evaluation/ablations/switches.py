"""The ablations that need no training: inspectors, turns of irg, guidance contexts, help from outside.

Every variant draws the prompts of StoryEval with the same seeds. The turns of irg cost one run only: what
stands after turn n of four is what n turns would have made, since a step's seed follows from its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.core.reflection import MOST_TURNS
from engine.lab.evaluation import storyeval
from engine.lab.evaluation.ablations.outside import TRIES, Help
from engine.lab.evaluation.ablations.protocol_variants import GuidanceScales, Inspectors
from engine.lab.evaluation.ablations.table import Figures
from engine.lab.evaluation.rollouts import Outcome
from engine.lab.evaluation.statistics import summary
from engine.lab.evaluation.suite import Row, Setup, Suite
from engine.protocols.base import Protocol

OFF = 1.0
"""A guidance scale that switches its context off."""

BARELY = 1.001
"""A scale that guides by nothing to speak of: at 1 or less for the text, the picture guides no more."""

SHOWN = ("overall", *storyeval.RULES, "everything right", "images a picture")


@dataclass(frozen=True)
class Variant:
    """What is other than usual: some settings, the protocol made of the checkpoint's own, or the suite."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    protocol: Callable[[Protocol], Protocol] | None = None
    suite: Suite = storyeval.SUITE


@dataclass(frozen=True)
class Switch:
    """An ablation on one checkpoint. ``protocols``: by the first that it offers, else by the last."""

    name: str
    sentence: str
    protocols: tuple[str, ...]
    variants: Sequence[Variant]

    def lines(self, variant: Variant, rows: Sequence[Row]) -> dict[str, Figures]:
        """The table's lines from a variant's rows."""
        if variant.suite is TURNS:
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


def examine_turns(setup: Setup, case: storyeval.Prompt) -> Row:
    """Row by row what StoryEval would say after each turn of runs of ``MOST_TURNS`` turns."""
    runs = [storyeval.begin(setup, case, image) for image in range(setup.images)]
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


def helped(name: str, **what: Any) -> Variant:
    """A variant of StoryEval with help from outside: the fields of ``Help``."""
    return Variant(name, suite=replace(storyeval.SUITE, examine=Help(**what).examine))


SWITCHES: dict[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch(
            "inspectors",
            "Each inspector on and off",
            ("process",),
            (
                Variant("both"),
                Variant("plan against prompt only", protocol=lambda own: Inspectors(("plan",))),
                Variant("sketch against plan only", protocol=lambda own: Inspectors(("sketch",))),
                Variant("none", protocol=lambda own: Inspectors()),
            ),
        ),
        Switch(
            "turns",
            "Turns of interleaved reflection",
            ("irg",),
            (Variant("all", {"turns": MOST_TURNS}, suite=TURNS),),
        ),
        Switch(
            "guidance",
            "Guidance contexts of pictures drawn after a picture, on and off "
            f"(the picture's alone: at a text scale of {BARELY:g}, since at 1 neither guides)",
            ("irg", "process"),
            (
                Variant(
                    "none", protocol=lambda own: GuidanceScales(own, {"guidance": OFF, "image_guidance": OFF})
                ),
                Variant("text", protocol=lambda own: GuidanceScales(own, {"image_guidance": OFF})),
                Variant("picture", protocol=lambda own: GuidanceScales(own, {"guidance": BARELY})),
                Variant("text and picture", protocol=GuidanceScales),
            ),
        ),
        Switch(
            "outside",
            "Help from outside by who knows the answer: bounds, not methods",
            ("process",),
            (
                Variant("none"),
                helped("planner", plans=True),
                helped("inspector", inspects=True),
                helped(f"best of {TRIES}, step by step", tries=TRIES),
            ),
        ),
    )
}
