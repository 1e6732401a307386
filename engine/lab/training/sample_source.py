"""Where the stages of a training get their samples: shards of their arm, written when they aren't there yet.

A stage whose critiques are self-sampled asks what has been trained so far to sketch, and learns from that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.checkpoints.special_tokens import SpecialTokens
from engine.core.settings import Settings
from engine.lab.training import recipe
from engine.lab.training.data.sampled import keep_picture, write_lessons
from engine.lab.training.data.self_sampling import sample_cases
from engine.lab.training.data.variants import Arm
from engine.lab.training.export import export
from engine.lab.training.samples import Sampler
from engine.lab.training.shards import Library, shard_path, write_shards
from engine.lab.training.stages import Stage

SCRIPTS = 1000
"""Scripts of a shard."""


@dataclass(frozen=True)
class Lessons:
    """Gives every stage its samples. ``shards`` of an arm are in ``work/shards/ARM``.

    ``sampled`` is a folder of lessons from a model's own sketches; without one, ``sessions`` sessions of the
    model trained so far are sampled into ``work/sampled`` when a stage needs them.
    """

    work: Path
    encode: Callable[[str], Sequence[int]]
    tokens: SpecialTokens
    shards: int
    seed: int = 0
    device: str = "cpu"
    sampled: Path | None = None
    sessions: int = 1000

    def __call__(self, stage: Stage) -> Sampler:
        """The samples of a stage that begins now."""
        sampled = self.sampled
        if sampled is None and stage.arm.samples:
            sampled = self.own_sketches()
        folder = write_arm(self.work, stage.arm, self.shards, self.seed, self.device, sampled)
        learns_rejected = stage.rejected == "learned"
        return Sampler(Library(folder), self.encode, self.tokens, learns_rejected=learns_rejected)

    def own_sketches(self) -> Path:
        """Lessons from the sketches of the weights averaged so far, sampled if they aren't there."""
        target, part = self.work / "sampled", self.work / "sampled.part"
        if not target.exists():
            checkpoint = export(self.work, self.work / "sampler", seed=self.seed, machine="")
            shutil.rmtree(part, ignore_errors=True)
            sample_lessons(checkpoint, part, count=self.sessions, seed=self.seed, device=self.device)
            part.replace(target)
        return target


def write_arm(work: Path, arm: Arm, shards: int, seed: int, device: str, sampled: Path | None) -> Path:
    """The folder of an arm's shards, in which the first ``shards`` are there now.

    Raises ``ValueError`` when ``work`` began from a model that they wouldn't fit.
    """
    recipe.check_world(work)
    folder = work / "shards" / arm.name
    if not all(shard_path(folder, number).exists() for number in range(shards)):
        model = recipe.load_autoencoder(work, device)
        write_shards(
            folder, model, shards=shards, seed=seed, count=SCRIPTS, device=device, arm=arm, sampled=sampled
        )
    return folder


def sample_lessons(checkpoint: Path, folder: Path, *, count: int, seed: int, device: str) -> int:
    """Lets a checkpoint sketch in ``count`` sessions and writes the lessons of it; returns how many.

    Raises ``RuntimeError`` when there are none.
    """
    from engine.inference.painter import open_painter

    painter = open_painter(checkpoint, device)
    settings = Settings.from_dict(painter.sampling | {"protocol": "process", "mode": "auto"})
    keep = partial(keep_picture, folder)
    found = write_lessons(folder, sample_cases(painter, settings, count=count, seed=seed, keep=keep), seed)
    if not found:
        raise RuntimeError(
            f"{count} sessions of {checkpoint} made no lesson: its plans or pictures can't be read yet. "
            "Nothing was lost; train it for longer, or sample more sessions."
        )
    return found
