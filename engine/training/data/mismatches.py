"""Pictures against their plan: sketches that do as planned, and sketches that went wrong in one way.

Papers, process-driven generation, image-instruction alignment. Here the scenes of both; a model's own wrong
sketches come from ``self_sampling``, and telling them as lessons is in ``cases`` and ``process``.
"""

from __future__ import annotations

import random

from engine.training.data.chains import Step
from engine.world.mistakes import sample_mistake
from engine.world.scene import Scene

POSITIVE = 5000 / 15000
"""The share of sketches that do as planned (papers: 5,000 positive, 10,000 negative)."""


def sample_mismatch(step: Step, rng: random.Random) -> Scene:
    """A sketch of ``step`` gone wrong; what the step adds may also be missing."""
    return sample_mistake(step.after, rng, newest=step.newest)


def sample_sketch(step: Step, rng: random.Random) -> Scene:
    """A sketch of ``step`` as it comes in the papers' shares: one right to two wrong."""
    return step.after if rng.random() < POSITIVE else sample_mismatch(step, rng)
