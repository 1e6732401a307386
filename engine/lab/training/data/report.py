"""What the subsets of the data hold: the papers' table of training data, counted over fresh scripts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine.lab.training.data.cases import conflict_script, mismatch_script
from engine.lab.training.data.irg import MODES, Mode, parts_of, sample_irg_script
from engine.lab.training.data.process import process_script
from engine.lab.training.data.sampled import read_scripts
from engine.lab.training.data.script import Script
from engine.protocols.process import prompt_text

OPERATIONS = ("start", "add", "remove", "swap", "recolour", "resize", "move")


@dataclass(frozen=True)
class Row:
    """A subset: means a script of the prompt's words and of pictures, all inspections, shares of edits.

    Inspections that are mere context don't count, nor do the artist's; edits are those of all plans, the
    artist's too.
    """

    subset: str
    samples: int
    prompt_words: float
    images: float
    most_images: int
    positive: int
    negative: int
    operations: dict[str, float]


def subsets() -> dict[str, Callable[[random.Random], Script]]:
    """The writer of a script for every subset."""
    writers: dict[str, Callable[[random.Random], Script]] = {
        "trajectories": process_script,
        "trajectories, add-only": lambda rng: process_script(rng, varied=0),
        "trajectories, no critique": lambda rng: process_script(rng, may_fail=False),
        "plan against prompt": conflict_script,
        "sketch against plan": mismatch_script,
    }
    for mode in MODES:
        writers[mode] = partial(_irg, mode)
    return writers


def measure(subset: str, scripts: Sequence[Script]) -> Row:
    """The row of a subset. Raises ``ValueError`` for no scripts at all."""
    if not scripts:
        raise ValueError(f"no scripts of the subset {subset!r} to look at")
    tally: Counter[str] = Counter()
    for script in scripts:
        tally.update(script.tally)
    plans = sum(tally[name] for name in OPERATIONS)
    images = [script.images for script in scripts]
    return Row(
        subset,
        len(scripts),
        sum(len(_bare(script.parts[0].text).split()) for script in scripts) / len(scripts),
        sum(images) / len(scripts),
        max(images),
        tally["positive"],
        tally["negative"],
        {name: tally[name] / plans for name in OPERATIONS} if plans else {},
    )


def report(count: int, seed: int, sampled: Path | None = None) -> str:
    """The table over ``count`` fresh scripts of every subset, in Markdown.

    The last line is of all scripts in ``sampled``. Raises ``FileNotFoundError`` when that folder holds none.
    """
    head = ["subset", "samples", "prompt words", "images", "most", "positive", "negative", *OPERATIONS]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    rows = []
    for name, write in subsets().items():
        rng = random.Random(f"report-{seed}-{name}")
        rows.append(measure(name, [write(rng) for _ in range(count)]))
    if sampled:
        rows.append(measure("own sketches", read_scripts(sampled)))
    for row in rows:
        cells = [row.subset, row.samples, f"{row.prompt_words:.1f}", f"{row.images:.2f}", row.most_images]
        cells += [row.positive, row.negative]
        cells += [f"{row.operations[o]:.3f}" if row.operations else "" for o in OPERATIONS]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _bare(text: str) -> str:
    """A script's first text without what the protocol says before a prompt."""
    return text.removeprefix(prompt_text("").rstrip())


def _irg(mode: Mode, rng: random.Random) -> Script:
    script = sample_irg_script(rng)
    return replace(script, parts=parts_of(mode, script.parts))
