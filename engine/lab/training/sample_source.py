"""Where the stages of a training get their samples: the shards of their data variant, written when missing.

A stage whose critiques are self-sampled asks what has been trained so far to sketch, and learns from that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.checkpoints.tokenizer import SpecialTokens
from engine.lab.training import starting_point
from engine.lab.training.data.sampled import keep_picture, write_scripts
from engine.lab.training.data.variants import DataVariant
from engine.lab.training.export import export
from engine.lab.training.samples import StorybookSampler
from engine.lab.training.shards import ShardDataset, shard_path, write_shards
from engine.lab.training.stages import Stage

SCRIPTS = 1000
"""Scripts of a shard."""


@dataclass(frozen=True)
class SampleSource:
    """Gives every stage its samples. ``shards`` of a variant are in ``work/shards/VARIANT``.

    ``sampled`` is a folder of scripts from a model's own sketches; without one, ``sessions`` sessions of the
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

    def __call__(self, stage: Stage) -> StorybookSampler:
        """The samples of a stage that begins now."""
        sampled = self.sampled
        if sampled is None and stage.variant.self_samples:
            sampled = self.own_sketches()
        folder = write_variant(self.work, stage.variant, self.shards, self.seed, self.device, sampled)
        learns_rejected = stage.rejected == "learned"
        dataset = ShardDataset(folder)
        return StorybookSampler(dataset, self.encode, self.tokens, learns_rejected=learns_rejected)

    def own_sketches(self) -> Path:
        """Scripts from the sketches of the weights averaged so far, sampled if they aren't there."""
        target, part = self.work / "sampled", self.work / "sampled.part"
        if not target.exists():
            checkpoint = export(self.work, self.work / "sampler", seed=self.seed, machine="")
            shutil.rmtree(part, ignore_errors=True)
            sample_scripts(checkpoint, part, count=self.sessions, seed=self.seed, device=self.device)
            part.replace(target)
        return target


def write_variant(
    work: Path, variant: DataVariant, shards: int, seed: int, device: str, sampled: Path | None
) -> Path:
    """Writes those of a variant's first ``shards`` shards that are missing; returns their folder.

    Raises ``ValueError`` when ``work`` began from a model that they wouldn't fit.
    """
    starting_point.check_world(work)
    folder = work / "shards" / variant.name
    if not all(shard_path(folder, number).exists() for number in range(shards)):
        model = starting_point.load_autoencoder(work, device)
        write_shards(
            folder,
            model,
            shards=shards,
            seed=seed,
            count=SCRIPTS,
            device=device,
            variant=variant,
            sampled=sampled,
        )
    return folder


def sample_scripts(checkpoint: Path, folder: Path, *, count: int, seed: int, device: str) -> int:
    """Lets a checkpoint sketch in ``count`` sessions and writes scripts about what it drew; returns how many.

    Raises ``ValueError`` when there are none.
    """
    # Only this runs the model as the studio does; the stages themselves need less installed.
    from engine.inference.painter import open_painter
    from engine.lab.training.data.self_sampling import sample_cases
    from engine.runs.opened_model import with_protocols

    model = with_protocols(open_painter(checkpoint, device))
    settings = model.settings.replace(protocol="process", mode="auto")
    keep = partial(keep_picture, folder)
    found = write_scripts(folder, sample_cases(model, settings, count=count, seed=seed, keep=keep), seed)
    if not found:
        raise ValueError(
            f"{count} sessions of {checkpoint} made no script: its plans or pictures can't be read yet. "
            "Nothing was lost; train it for longer, or sample more sessions."
        )
    return found
