"""Pictures against their plan: sketches that do as planned, and sketches that went wrong in one way.

Source: arXiv 2604.04746, image-instruction alignment. Here the scenes of both; a model's own wrong
sketches come from ``self_sampling``, and writing scripts about them is in ``cases`` and ``process``.
"""

from __future__ import annotations

import random

from engine.lab.storybook.scene.edits import Add
from engine.lab.storybook.scene.mistakes import sample_mistake
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.chains import ChainStep

POSITIVE = 5000 / 15000
"""The share of sketches that do as planned (arXiv 2604.04746: 5,000 positive, 10,000 negative)."""

UNDONE = 0.4
"""How often a sketch that should change what stands went wrong by changing nothing."""


def sample_mismatch(step: ChainStep, rng: random.Random) -> Scene:
    """A sketch of ``step`` gone wrong: what it adds may be missing, and an edit may not be done at all."""
    if step.before is not None and not isinstance(step.edit, Add) and rng.random() < UNDONE:
        return step.before
    return sample_mistake(step.after, rng, newest=step.newest)


def sample_sketch(step: ChainStep, rng: random.Random) -> Scene:
    """A sketch of ``step`` as it comes in the papers' shares: one right to two wrong."""
    return step.after if rng.random() < POSITIVE else sample_mismatch(step, rng)
