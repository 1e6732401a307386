"""One packed training batch: what a forward pass and the losses read. ``packing`` fills it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor


@dataclass
class PackedBatch:
    """One batch, flat. T packed tokens of B samples; rows are grouped text, vision, latents.

    Packed-order indices ([N] int64): ``text_index``, ``vit_index``, ``latent_index`` (where each kind of
    row stands), ``position_ids`` [T], ``ce_index``, ``mse_index``. Latent tokens: ``noised`` [N, C] at
    ``timesteps`` [N] (0 = clean); ``velocity`` [M, C] is noise - x0 at ``mse_index``.
    ``cover`` [M, p*p*2] holds the cells of targets that came with them, in the order of ``mse_index``, and
    ``seen_cover`` [V, p*p*2] those of seen pictures, in the order of ``vit_index``.
    ``row_positions`` [T] (by row), ``row_of`` [T] (row of each packed token), ``gather`` [B*S],
    ``scatter`` [T] and ``mask`` [B, 1, S, S] serve attention. ``ce_weights`` is 1 / sqrt(labels of the text).
    """

    sample_lengths: list[int]
    text_ids: Tensor
    text_index: Tensor
    vit_patches: Tensor
    vit_position_ids: Tensor
    vit_index: Tensor
    vit_lengths: list[int]
    noised: Tensor
    timesteps: Tensor
    latent_position_ids: Tensor
    latent_index: Tensor
    velocity: Tensor
    cover: Tensor
    seen_cover: Tensor
    mse_index: Tensor
    position_ids: Tensor
    ce_index: Tensor
    ce_labels: Tensor
    ce_weights: Tensor
    row_positions: Tensor
    row_of: Tensor
    gather: Tensor
    scatter: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> PackedBatch:
        """The same batch on another device."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {
            k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in values.items()
        }
        return PackedBatch(**moved)


@dataclass
class Lists:
    """The growing batch, in packed order."""

    sample_lengths: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    split_of: list[int] = field(default_factory=list)
    kind_of: list[int] = field(default_factory=list)
    text_ids: list[int] = field(default_factory=list)
    text_index: list[int] = field(default_factory=list)
    vit_index: list[int] = field(default_factory=list)
    vit_lengths: list[int] = field(default_factory=list)
    latent_index: list[int] = field(default_factory=list)
    mse_index: list[int] = field(default_factory=list)
    ce_index: list[int] = field(default_factory=list)
    ce_labels: list[int] = field(default_factory=list)
    ce_weights: list[float] = field(default_factory=list)
    patches: list[Tensor] = field(default_factory=list)
    vit_ids: list[Tensor] = field(default_factory=list)
    noised: list[Tensor] = field(default_factory=list)
    times: list[Tensor] = field(default_factory=list)
    latent_ids: list[Tensor] = field(default_factory=list)
    velocity: list[Tensor] = field(default_factory=list)
    cover: list[Tensor] = field(default_factory=list)
    seen_cover: list[Tensor] = field(default_factory=list)

    def label(self, index: int, label: int) -> None:
        self.ce_index.append(index)
        self.ce_labels.append(label)
        self.ce_weights.append(1.0)
