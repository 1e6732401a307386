"""The ablations of the training data: arms trained from nothing by equal small budgets, then measured.

An arm is a folder of lessons and what ``python -m engine.training`` makes of it; nothing is trained here.
Arms share the autoencoder, the tokenizer's seed, steps and shards, and differ in their lessons alone.
Self-sampled critiques come from the sketches of the arm without any (papers, order of the data pipeline).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file

from engine.evaluation.statistics import Summary
from engine.training.data.arms import Arm
from engine.training.lessons import sample_lessons

PLAN = "process"


SKETCHER = Arm("varied", "none")
"""Whose sketches the self-sampled critiques are about."""

SAMPLED = "sampled"

SENTENCES = {
    "edits": "Chains that only add or all edits, with critiques and without",
    "critiques": "Where critiques come from",
}
ARMS: dict[str, tuple[Arm, ...]] = {
    "edits": tuple(
        Arm(chains, critique) for chains in ("add-only", "varied") for critique in ("none", "symbolic")
    ),
    "critiques": (SKETCHER, Arm("varied", "symbolic"), Arm("varied", "self-sampled")),
}
COLUMNS = {
    "story": ("overall", "everything right", "images a picture"),
    "steering": ("obedience", "preservation"),
    "knowledge": (
        "inspect: precision, own sketch",
        "inspect: recall, own sketch",
        "inspect: false alarms, not drawn yet",
        "refine: mended",
    ),
}
"""The suites that an arm is measured by, and which of their figures a table has."""


def label(arm: Arm) -> str:
    """How a table calls it."""
    return f"{arm.chains}, {arm.critique}"


@dataclass(frozen=True)
class Budget:
    """What every arm gets alike. ``work`` holds a folder for each; ``sessions`` are sampled by one arm."""

    work: Path
    steps: int
    shards: int
    sessions: int
    seed: int
    device: str

    def folder(self, arm: Arm) -> Path:
        return self.work / f"{self.steps}-{self.shards}-{self.seed}" / arm.name

    def checkpoint(self, arm: Arm) -> Path:
        return self.folder(arm) / "checkpoint"


def commands(arm: Arm, budget: Budget) -> list[list[str]]:
    """What makes the arm's checkpoint, command by command; each goes on where it was stopped."""
    python = [sys.executable, "-m", "engine.training"]
    where = ["--work", str(budget.folder(arm)), "--device", budget.device, "--seed", str(budget.seed)]
    lessons = ["--plan", PLAN, "--chains", arm.chains, "--critique", arm.critique]
    lessons += ["--shards", str(budget.shards), "--steps", str(budget.steps)]
    if arm.critique == "self-sampled":
        lessons += ["--sampled", str(budget.folder(arm) / SAMPLED)]
    stages = [[*python, stage, *where, *lessons] for stage in ("data", "unified")]
    return [*stages, [*python, "export", *where, "--out", str(budget.checkpoint(arm))]]


def order(arms: Sequence[Arm]) -> list[Arm]:
    """The arms to train, those first that others need."""
    needed = [SKETCHER] if any(arm.critique == "self-sampled" for arm in arms) else []
    return list(dict.fromkeys([*needed, *arms]))


def train(arm: Arm, budget: Budget, autoencoder: Path) -> None:
    """Makes the arm's checkpoint unless it is there. ``autoencoder`` is the weights that all arms share.

    Raises ``OSError`` naming the command that failed.
    """
    if (budget.checkpoint(arm) / "training.json").exists():
        return
    budget.folder(arm).mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.float() for name, tensor in load_file(autoencoder).items()},
        budget.folder(arm) / "ae.safetensors",
    )
    if arm.critique == "self-sampled":
        sample(budget.checkpoint(SKETCHER), budget.folder(arm) / SAMPLED, budget)
    for command in commands(arm, budget):
        if subprocess.run(command, check=False).returncode:
            raise OSError(
                f"the arm {label(arm)!r} could not be trained: {' '.join(command)} failed; what it finished "
                "is kept, the same ablation goes on from there"
            )


def sample(sketcher: Path, target: Path, budget: Budget) -> None:
    """Lessons from the sketches of a checkpoint in the folder ``target``, unless they are there."""
    part = target.with_suffix(".part")
    if not target.exists():
        shutil.rmtree(part, ignore_errors=True)
        sample_lessons(sketcher, part, count=budget.sessions, seed=budget.seed, device=budget.device)
        part.replace(target)


def of_columns(suite: str, figures: dict[str, Summary]) -> dict[str, Summary]:
    """Those of a suite's figures that a table has, by ``SUITE: FIGURE``."""
    return {f"{suite}: {name.removeprefix(f'{suite}: ')}": figures[name] for name in COLUMNS[suite]}
