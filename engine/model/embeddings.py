"""Embeddings that are formulas: flow time, rotary angles, and the frozen 2-D position tables."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.model.patches import sincos_table


class TimeEmbedder(nn.Module):
    """Flow time t in [0, 1] (not scaled) -> [D]: cosines then sines, then Linear, SiLU, Linear."""

    def __init__(self, frequencies: int, hidden: int) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(frequencies, hidden), nn.SiLU(), nn.Linear(hidden, hidden))

    def forward(self, t: Tensor) -> Tensor:
        half = self.frequencies // 2
        rates = 10000.0 ** (-torch.arange(half, device=t.device, dtype=torch.float32) / half)
        angles = t.float()[:, None] * rates
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)
        return self.mlp(waves.to(next(self.mlp.parameters()).dtype))


class PositionTable(nn.Module):
    """A frozen table [side*side, D], stored with the weights because the stored rounding is the authority."""

    pos_embed: Tensor

    def __init__(self, side: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("pos_embed", sincos_table(side, hidden))

    def forward(self, ids: Tensor) -> Tensor:
        return self.pos_embed[ids]


def rotary(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Positions [T] -> (cos, signed sin), each [T, 1, head_dim] float32, for :func:`rotate`."""
    exponents = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim
    angles = positions.float()[:, None] * (1.0 / theta**exponents)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([cos, cos], dim=-1)[:, None], torch.cat([-sin, sin], dim=-1)[:, None]


def rotate(x: Tensor, cos: Tensor, signed_sin: Tensor) -> Tensor:
    """Rotate-half convention over the last axis of [T, heads, head_dim]."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), signed_sin)
