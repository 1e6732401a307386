"""The ablations of the training data: variants trained by equal small budgets, then measured.

A variant is a folder of training data and what ``restroke train`` makes of it; nothing is trained here.
Variants begin with nothing, or all with the same checkpoint (the papers fine-tune theirs too). They share the
autoencoder, the tokenizer's seed, steps and shards, and differ in their data alone: in how it was made, or (a
mix) in which families of samples are taken from it.
Self-sampled critiques come from the sketches of the variant without any (as in arXiv 2604.04746).
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
from engine.checkpoints.quantised_cache import sampled_hash
from engine.lab.evaluation.statistics import Summary
from engine.lab.training import provenance, starting_point
from engine.lab.training.data.irg import MODES
from engine.lab.training.data.variants import DataVariant
from engine.lab.training.sample_source import sample_scripts
from engine.lab.training.stages import Stage, read_plan

PLAN, TUNING = "process", "tuning"
"""The stage plans of variants that begin with nothing, and with a checkpoint (at lower rates)."""

SKETCHER = DataVariant("varied", "none")
"""Whose sketches the self-sampled critiques are about."""

SAMPLED = "sampled"
PLAN_FILE = "plan.toml"


@dataclass(frozen=True)
class SampleMix:
    """A variant by its families of samples: stages of so many steps in proportion, each with its shares."""

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


TrainedVariant = DataVariant | SampleMix

DRAWING = {"direct": 0.5}
"""What all mixes have alike: from nothing, a model must learn to draw before it can learn to draw again."""

TRAJECTORY = DRAWING | {"initial full": 0.25, "improving full": 0.25}
SIX_MODES = DRAWING | {mode: 0.125 if "full" in mode else 0.0625 for mode in MODES}
"""A thinking mode counts half a full one (IRG, arXiv 2509.06945: its first stage)."""

MIXES = (
    SampleMix("fine-pictures-only", ((4000, DRAWING | {"initial full": 0.5}),)),
    SampleMix("trajectories", ((4000, TRAJECTORY),)),
    SampleMix("modes-then-trajectories", ((250, SIX_MODES), (3750, TRAJECTORY))),
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
class TrainedAblation:
    """An ablation: variants that are trained alike but for one thing, and what they are measured by."""

    sentence: str
    variants: tuple[TrainedVariant, ...]
    columns: tuple[Columns, ...]


TRAINED_ABLATIONS: dict[str, TrainedAblation] = {
    "edits": TrainedAblation(
        "Chains that only add or all edits, with critiques and without",
        tuple(
            DataVariant(chains, critique)
            for chains in ("add-only", "varied")
            for critique in ("none", "symbolic")
        ),
        BY_PROCESS,
    ),
    "critiques": TrainedAblation(
        "Where critiques come from",
        (SKETCHER, *(DataVariant("varied", critique) for critique in ("symbolic", "self-sampled"))),
        BY_PROCESS,
    ),
    "modes": TrainedAblation("Interleaved reflection: fine pictures, trajectories, modes", MIXES, BY_TURN),
}


def label(variant: TrainedVariant) -> str:
    """How a table calls it."""
    return (
        variant.name.replace("-", " ")
        if isinstance(variant, SampleMix)
        else f"{variant.chains}, {variant.critique}"
    )


@dataclass(frozen=True)
class Budget:
    """What every variant gets alike. ``work`` holds a folder for each; one of them samples ``sessions``.

    ``begin_from``: the checkpoint that variants begin with; with nothing but the autoencoder if it is None.
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

    def folder(self, variant: TrainedVariant) -> Path:
        begun = f"-from-{sampled_hash(find_weights(self.begin_from)[0])[:8]}" if self.begin_from else ""
        return self.work / f"{self.steps}-{self.shards}-{self.seed}{begun}" / variant.name

    def checkpoint(self, variant: TrainedVariant) -> Path:
        return self.folder(variant) / "checkpoint"


def commands(variant: TrainedVariant, budget: Budget) -> list[list[str]]:
    """What makes the variant's checkpoint, command by command; each goes on where it was stopped."""
    python = [sys.executable, "-m", "engine.lab.training"]
    where = ["--work", str(budget.folder(variant)), "--device", budget.device, "--seed", str(budget.seed)]
    if isinstance(variant, SampleMix):
        data = ["--plan", str(budget.folder(variant) / PLAN_FILE)]
    else:
        data = ["--plan", budget.plan, "--chains", variant.chains, "--critique", variant.critique]
    data += ["--shards", str(budget.shards), "--steps", str(budget.steps)]
    if needs_sketches(variant):
        data += ["--sampled", str(budget.folder(variant) / SAMPLED)]
    stages = [[*python, stage, *where, *data] for stage in ("data", "unified")]
    return [*stages, [*python, "export", *where, "--out", str(budget.checkpoint(variant))]]


def needs_sketches(variant: TrainedVariant) -> bool:
    """Whether its critiques are about the sketches of ``SKETCHER``."""
    return isinstance(variant, DataVariant) and variant.self_samples


def training_order(variants: Sequence[TrainedVariant]) -> list[TrainedVariant]:
    """The variants to train, those first that others need."""
    needed = [SKETCHER] if any(map(needs_sketches, variants)) else []
    return list(dict.fromkeys([*needed, *variants]))


def begin(folder: Path, budget: Budget, autoencoder: Path) -> None:
    """Puts into a variant's folder what it begins with."""
    folder.mkdir(parents=True, exist_ok=True)
    if budget.begin_from is None:
        weights = {name: tensor.float() for name, tensor in load_file(autoencoder).items()}
        save_file(weights, folder / AUTOENCODER_NAME)
    elif not (folder / starting_point.START).exists():
        starting_point.begin_from(budget.begin_from, folder, budget.seed)


def train(variant: TrainedVariant, budget: Budget, autoencoder: Path) -> None:
    """Makes the variant's checkpoint unless it is there. ``autoencoder``: the weights they all share.

    Raises ``OSError`` naming the command that failed.
    """
    if (budget.checkpoint(variant) / provenance.NAME).exists():
        return
    begin(budget.folder(variant), budget, autoencoder)
    if isinstance(variant, SampleMix):
        plan = variant.plan(like=read_plan(budget.plan)[0])
        (budget.folder(variant) / PLAN_FILE).write_text(plan, encoding="utf-8")
    if needs_sketches(variant):
        sample(budget.checkpoint(SKETCHER), budget.folder(variant) / SAMPLED, budget)
    for command in commands(variant, budget):
        if subprocess.run(command, check=False).returncode:
            raise OSError(
                f"the variant {label(variant)!r} could not be trained: {' '.join(command)} failed; what it "
                "finished is kept, the same ablation goes on from there"
            )


def sample(sketcher: Path, target: Path, budget: Budget) -> None:
    """Scripts from the sketches of a checkpoint in the folder ``target``, unless they are there."""
    part = target.with_suffix(".part")
    if not target.exists():
        shutil.rmtree(part, ignore_errors=True)
        sample_scripts(sketcher, part, count=budget.sessions, seed=budget.seed, device=budget.device)
        part.replace(target)
