"""The ablations of the training data: arms trained by equal small budgets, then measured.

An arm is a folder of lessons and what ``python -m engine.lab.training`` makes of it; nothing is trained here.
Arms begin with nothing, or all with the same checkpoint (the papers' arms are fine-tunings too). They share
the autoencoder, the tokenizer's seed, steps and shards, and differ in their lessons alone: in how they came
to be, or (a mix) in which families of samples are taken from them.
Self-sampled critiques come from the sketches of the arm without any (as in arXiv 2604.04746).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file

from engine.checkpoints.files import AUTOENCODER_NAME, find_weights
from engine.checkpoints.quantised_cache import mark
from engine.lab.evaluation.statistics import Summary
from engine.lab.training import provenance, recipe
from engine.lab.training.data.irg import MODES
from engine.lab.training.data.variants import Arm
from engine.lab.training.sample_source import sample_lessons
from engine.lab.training.stages import Stage, read_plan

PLAN, TUNING = "process", "tuning"
"""The stage plans of arms that begin with nothing, and with a checkpoint: at lower rates, lest it forget."""

SKETCHER = Arm("varied", "none")
"""Whose sketches the self-sampled critiques are about."""

SAMPLED = "sampled"
PLAN_FILE = "plan.toml"


@dataclass(frozen=True)
class Mix:
    """An arm by its families of samples: stages of so many steps in proportion, each with its shares."""

    name: str
    stages: tuple[tuple[int, Mapping[str, float]], ...]

    def plan(self, like: Stage) -> str:
        """The stage plan as ``engine.lab.training`` reads it, at the rates of ``like``."""
        texts = []
        for number, (steps, shares) in enumerate(self.stages, start=1):
            told = ", ".join(f'"{family}" = {share}' for family, share in shares.items())
            texts.append(
                f'[[stage]]\nname = "{self.name} {number}"\nsteps = {steps}\nshares = {{ {told} }}\n'
                f"matrix_rate = {like.matrix_rate}\nother_rate = {like.other_rate}\n"
            )
        return "\n".join(texts)


Trained = Arm | Mix

DRAWING = {"direct": 0.5}
"""What all mixes have alike: from nothing, a model must learn to draw before it can learn to draw again."""

TRAJECTORY = DRAWING | {"initial full": 0.25, "improving full": 0.25}
SIX_MODES = DRAWING | {mode: 0.125 if "full" in mode else 0.0625 for mode in MODES}
"""A thinking mode counts half a full one (IRG, arXiv 2509.06945: its first stage)."""

MIXES = (
    Mix("fine-pictures-only", ((4000, DRAWING | {"initial full": 0.5}),)),
    Mix("trajectories", ((4000, TRAJECTORY),)),
    Mix("modes-then-trajectories", ((250, SIX_MODES), (3750, TRAJECTORY))),
)
"""Which modes are learned, and in which order.

Thought and fine picture; the reflection and the picture drawn again as well; the six modes first, in the
paper's proportion of steps.
"""


@dataclass(frozen=True)
class Columns:
    """Which figures of a suite by a protocol a table has; ``name`` begins their columns."""

    name: str
    suite: str
    protocol: str
    figures: tuple[str, ...]

    def of(self, found: Mapping[str, Summary]) -> dict[str, Summary]:
        """Those of a suite's figures, by ``NAME: FIGURE``."""
        return {f"{self.name}: {figure}": found[figure] for figure in self.figures}


BY_PROCESS = (
    Columns("story", "story", "process", ("overall", "everything right", "images a picture")),
    Columns("steering", "steering", "process", ("obedience", "preservation")),
    Columns(
        "knowledge",
        "knowledge",
        "process",
        (
            "inspect: precision, rendered",
            "inspect: recall, rendered",
            "inspect: false alarms, rendered",
            "inspect: false alarms, not drawn yet",
            "refine: mended",
            "refine: overdone",
        ),
    ),
)
BY_TURN = tuple(
    Columns(name, "story", protocol, ("overall", "everything right"))
    for name, protocol in (("1 turn", "think"), ("2 turns", "irg"))
)


@dataclass(frozen=True)
class ArmSet:
    """An ablation: arms that are trained alike but for one thing, and what they are measured by."""

    sentence: str
    arms: tuple[Trained, ...]
    columns: tuple[Columns, ...]


SETS: dict[str, ArmSet] = {
    "edits": ArmSet(
        "Chains that only add or all edits, with critiques and without",
        tuple(
            Arm(chains, critique) for chains in ("add-only", "varied") for critique in ("none", "symbolic")
        ),
        BY_PROCESS,
    ),
    "critiques": ArmSet(
        "Where critiques come from",
        (SKETCHER, *(Arm("varied", critique) for critique in ("symbolic", "self-sampled"))),
        BY_PROCESS,
    ),
    "modes": ArmSet("Interleaved reflection: fine pictures, trajectories, modes", MIXES, BY_TURN),
}


def label(arm: Trained) -> str:
    """How a table calls it."""
    return arm.name.replace("-", " ") if isinstance(arm, Mix) else f"{arm.chains}, {arm.critique}"


@dataclass(frozen=True)
class Budget:
    """What every arm gets alike. ``work`` holds a folder for each; ``sessions`` are sampled by one arm.

    ``begin_from``: the checkpoint that arms begin with; with nothing but the autoencoder if it is None.
    """

    work: Path
    steps: int
    shards: int
    sessions: int
    seed: int
    device: str
    begin_from: Path | None = None

    @property
    def plan(self) -> str:
        return TUNING if self.begin_from else PLAN

    def folder(self, arm: Trained) -> Path:
        begun = f"-from-{mark(find_weights(self.begin_from)[0])[:8]}" if self.begin_from else ""
        return self.work / f"{self.steps}-{self.shards}-{self.seed}{begun}" / arm.name

    def checkpoint(self, arm: Trained) -> Path:
        return self.folder(arm) / "checkpoint"


def commands(arm: Trained, budget: Budget) -> list[list[str]]:
    """What makes the arm's checkpoint, command by command; each goes on where it was stopped."""
    python = [sys.executable, "-m", "engine.lab.training"]
    where = ["--work", str(budget.folder(arm)), "--device", budget.device, "--seed", str(budget.seed)]
    if isinstance(arm, Mix):
        lessons = ["--plan", str(budget.folder(arm) / PLAN_FILE)]
    else:
        lessons = ["--plan", budget.plan, "--chains", arm.chains, "--critique", arm.critique]
    lessons += ["--shards", str(budget.shards), "--steps", str(budget.steps)]
    if samples_itself(arm):
        lessons += ["--sampled", str(budget.folder(arm) / SAMPLED)]
    stages = [[*python, stage, *where, *lessons] for stage in ("data", "unified")]
    return [*stages, [*python, "export", *where, "--out", str(budget.checkpoint(arm))]]


def samples_itself(arm: Trained) -> bool:
    """Whether its critiques are about the sketches of ``SKETCHER``."""
    return isinstance(arm, Arm) and arm.samples


def order(arms: Sequence[Trained]) -> list[Trained]:
    """The arms to train, those first that others need."""
    needed = [SKETCHER] if any(map(samples_itself, arms)) else []
    return list(dict.fromkeys([*needed, *arms]))


def begin(folder: Path, budget: Budget, autoencoder: Path) -> None:
    """Puts into an arm's folder what it begins with."""
    folder.mkdir(parents=True, exist_ok=True)
    if budget.begin_from is None:
        weights = {name: tensor.float() for name, tensor in load_file(autoencoder).items()}
        save_file(weights, folder / AUTOENCODER_NAME)
    elif not (folder / recipe.START).exists():
        recipe.begin_from(budget.begin_from, folder, budget.seed)


def train(arm: Trained, budget: Budget, autoencoder: Path) -> None:
    """Makes the arm's checkpoint unless it is there. ``autoencoder`` is the weights that all arms share.

    Raises ``OSError`` naming the command that failed.
    """
    if (budget.checkpoint(arm) / provenance.NAME).exists():
        return
    begin(budget.folder(arm), budget, autoencoder)
    if isinstance(arm, Mix):
        plan = arm.plan(like=read_plan(budget.plan)[0])
        (budget.folder(arm) / PLAN_FILE).write_text(plan, encoding="utf-8")
    if samples_itself(arm):
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
