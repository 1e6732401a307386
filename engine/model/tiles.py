"""The autoencoder in overlapping tiles, for GPUs without room for a large picture in one piece.

A tile's norms see only the tile, so pictures differ slightly from untiled ones; where tiles overlap they
fade into one another. Pictures no larger than a tile come out the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.model.autoencoder import Autoencoder, AutoencoderConfig

OVERLAP = 4
"""A tile shares one part in so many of its side with its neighbour."""


class TiledAutoencoder(Autoencoder):
    """An autoencoder that works on tiles of at most ``side`` pixels."""

    def __init__(self, config: AutoencoderConfig, side: int) -> None:
        super().__init__(config)
        self.side = side

    def encode_moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        whole = super().encode_moments
        cell = self.config.downsample
        moments = apply_in_tiles(
            pixels, self.side // cell, lambda x: torch.cat(whole(x), dim=1), unit=cell, scale=1 / cell
        )
        mean, logvar = moments.chunk(2, dim=1)
        return mean, logvar

    def decode(self, latent: Tensor) -> Tensor:
        cell = self.config.downsample
        return apply_in_tiles(latent, self.side // cell, super().decode, unit=1, scale=cell)


def apply_in_tiles(
    x: Tensor, cells: int, work: Callable[[Tensor], Tensor], *, unit: int, scale: float
) -> Tensor:
    """``work`` done on tiles of [B, C, H, W], at most ``cells`` latent cells a side, put together again.

    Args:
        unit: how many of x's pixels a latent cell has; 1 when x is a latent.
        scale: the sides of what ``work`` returns over those of what it gets.
    """
    height, width = (side // unit for side in x.shape[2:])
    if height <= cells and width <= cells:
        return work(x)
    out = total = torch.empty(0)
    for top in tile_starts(height, cells):
        for left in tile_starts(width, cells):
            rows, columns = min(cells, height - top), min(cells, width - left)
            tile = work(x[:, :, top * unit : (top + rows) * unit, left * unit : (left + columns) * unit])
            factor = tile.shape[2] // rows
            if not out.numel():
                sides = [round(side * scale) for side in x.shape[2:]]
                out = torch.zeros(*tile.shape[:2], *sides, device=x.device)
                total = torch.zeros(1, 1, *sides, device=x.device)
            weight = _fade(tile.shape[2], tile.device)[:, None] * _fade(tile.shape[3], tile.device)
            here = (
                slice(None),
                slice(None),
                slice(top * factor, top * factor + tile.shape[2]),
                slice(left * factor, left * factor + tile.shape[3]),
            )
            out[here] += tile.float() * weight
            total[here] += weight
    return (out / total).to(x.dtype)


def tile_starts(length: int, cells: int) -> list[int]:
    """Where the tiles begin along a side: evenly spaced, each overlapping the next."""
    if length <= cells:
        return [0]
    stride = cells - cells // OVERLAP
    count = -(-(length - cells) // stride) + 1
    return [round(number * (length - cells) / (count - 1)) for number in range(count)]


def _fade(length: int, device: torch.device) -> Tensor:
    """Weights [length] that rise over the overlap, stay at 1, and fall again."""
    ramp = max(1, length // OVERLAP)
    positions = torch.arange(length, device=device, dtype=torch.float32)
    return torch.minimum(positions + 1, length - positions).clamp(max=ramp) / ramp
