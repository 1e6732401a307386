"""Models and plans so small that a training of them takes a moment."""

from __future__ import annotations

from engine.lab.training.stages import Stage
from engine.model.autoencoder import AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig

SMALL_AUTOENCODER = AutoencoderConfig(
    ch=16, ch_mult=(1, 1, 1, 1, 1), num_res_blocks=1, z_channels=16, norm_groups=4
)
"""One that can learn."""

TINY_AUTOENCODER = AutoencoderConfig(
    ch=4, ch_mult=(1, 1, 1, 1, 1), num_res_blocks=1, z_channels=16, norm_groups=4
)
"""One that only has to encode."""


def small_model(vocabulary: int = 800) -> Bagel:
    language = LanguageConfig(32, 2, 2, 1, 64, vocabulary)
    vision = VisionConfig(32, 1, 2, 64, patch_size=16, positions=64)
    return Bagel.random(BagelConfig(language, vision, 16, 2, 8, 32, 8), seed=0)


def small_plan(steps: int) -> list[Stage]:
    shares = {"direct": 0.5, "edit": 0.25, "words": 0.25}
    return [Stage("small", steps, shares, shares, tokens=400)]
