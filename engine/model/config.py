"""Sizes of the unified model. Where they are read from (JSON, tensor shapes) is ``engine.checkpoints``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageConfig:
    """Sizes of the language model; both experts share them. ``head_dim`` is hidden / heads.

    ``max_positions`` is how many rotary positions a context may take; no weight depends on it.
    """

    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    intermediate_size: int
    vocab_size: int
    rope_theta: float = 1e6
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False
    max_positions: int = 32768

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_heads or self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must be a multiple of num_heads {self.num_heads}, "
                f"and that of num_kv_heads {self.num_kv_heads}"
            )

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_heads


@dataclass(frozen=True)
class VisionConfig:
    """Sizes of the vision encoder. ``num_layers`` counts the layers stored and run."""

    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    patch_size: int = 14
    positions: int = 4900
    layer_norm_eps: float = 1e-6


@dataclass(frozen=True)
class BagelConfig:
    """Everything that shapes the unified model, the autoencoder aside.

    ``latent_side`` and ``vit_side`` are the sides of the square position grids (in tokens);
    ``latent_downsample`` is pixels per latent token and side.
    """

    language: LanguageConfig
    vision: VisionConfig
    latent_channels: int = 16
    latent_patch: int = 2
    latent_side: int = 64
    latent_downsample: int = 16
    vit_side: int = 70
    time_frequencies: int = 256
    interpolate_positions: bool = False

    @property
    def latent_values(self) -> int:
        """Values per latent token."""
        return self.latent_channels * self.latent_patch**2


BAGEL_7B = BagelConfig(LanguageConfig(3584, 28, 28, 4, 18944, 152064), VisionConfig(1152, 26, 16, 4304))
"""The sizes of the public BAGEL-7B-MoT."""
