"""Prompts that a model does well: held-out ones, drawn under several seeds and ranked by the judge.

The best go into ``examples.json`` of the checkpoint folder, which the studio's first page offers to begin
with. What a figure of a suite is made of is another matter: these are chosen, so their shares flatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.core.atomic_write import write_json
from engine.core.trajectory import step_seed
from engine.lab.evaluation.rollouts import Album, carry_on, held_out_scenes, prompt_step, seen_at_end
from engine.lab.evaluation.statistics import Summary, summary
from engine.lab.evaluation.suite import Row, Setup, Suite
from engine.lab.storybook.judging.faults import faults
from engine.lab.storybook.language import sentences

NAME = "examples.json"
ORDERS = ("paint", "draw", "please", "a picture", "a scene")
"""How a prompt begins that says more than what is in the picture: not for a chip to click."""

Case = tuple[int, str, Any]
"""Number, words, scene."""


def cases(prompts: int, seed: int) -> list[Case]:
    """Prompts as they would stand on a button: no orders, a capital first, no full stop."""
    found = []
    for number, (rng, scene) in enumerate(held_out_scenes(seed, prompts)):
        while (text := sentences.prompt(scene, rng)).lower().startswith(ORDERS):
            pass
        found.append((number, (text[:1].upper() + text[1:]).removesuffix("."), scene))
    return found


def examine(setup: Setup, case: Case) -> Row:
    """How many of ``setup.images`` runs end in a picture with nothing wrong in it."""
    number, text, scene = case
    right = 0
    for image in range(setup.images):
        seed, album = step_seed(setup.seed, number, "example", image), Album()
        seen = seen_at_end(
            carry_on(setup.model, [prompt_step(text, seed)], setup.settings, album, seed), album
        )
        right += seen is not None and not faults(scene, seen)
    return {"text": text, "right": right, "of": setup.images, "things": len(scene.things)}


def summarise(rows: Sequence[Row]) -> dict[str, Summary]:
    return {"everything right": summary([row["right"] / row["of"] for row in rows])}


def best(rows: Sequence[Row], number: int) -> list[Row]:
    """The ``number`` rows with most right pictures, those with more in them first; none that never was."""
    ranked = sorted(rows, key=lambda row: (-row["right"] / row["of"], -row["things"]))
    return [row for row in ranked if row["right"]][:number]


def write(folder: Path, rows: Sequence[Row], about: dict[str, Any]) -> Path:
    """``{"examples": [text, …], "measured": [{text, right, of}, …], "run": …}`` in the checkpoint folder."""
    path = folder / NAME
    measured = [{key: row[key] for key in ("text", "right", "of")} for row in rows]
    found = {"examples": [row["text"] for row in rows], "measured": measured, "run": about}
    write_json(path, found, ensure_ascii=False)
    return path


SUITE = Suite(
    "examples",
    "prompts that the model does well",
    None,
    prompts=60,
    cases=cases,
    examine=examine,
    summarise=summarise,
)
