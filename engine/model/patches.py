"""Cutting pictures and latents into patch tokens, putting them back, and numbering them on a grid."""

from __future__ import annotations

import torch
from torch import Tensor


def patchify(image: Tensor, patch: int) -> Tensor:
    """[C, H, W] -> [(H/p)*(W/p), p*p*C]: patches row-major; inside one, row, column, channel (fastest).

    Raises ``ValueError`` when a side is not a multiple of ``patch``.
    """
    channels, height, width = image.shape
    if height % patch or width % patch:
        raise ValueError(f"a {height}x{width} image cannot be cut into {patch}x{patch} patches")
    grid = image.reshape(channels, height // patch, patch, width // patch, patch)
    return grid.permute(1, 3, 2, 4, 0).reshape(-1, patch * patch * channels)


def unpatchify(tokens: Tensor, patch: int, rows: int, columns: int) -> Tensor:
    """The inverse of :func:`patchify`: [rows*columns, p*p*C] -> [C, rows*p, columns*p]."""
    grid = tokens.reshape(rows, columns, patch, patch, -1)
    return grid.permute(4, 0, 2, 1, 3).reshape(grid.shape[-1], rows * patch, columns * patch)


def grid_positions(rows: int, columns: int, side: int) -> Tensor:
    """Position ids of a rows x columns image in a side x side table: ``r*side + c``, row-major.

    Raises ``ValueError`` when the image is larger than the table, where ids would wrap silently.
    """
    if rows > side or columns > side:
        raise ValueError(
            f"an image of {rows}x{columns} patches is larger than the {side}x{side} position table"
        )
    return (torch.arange(rows)[:, None] * side + torch.arange(columns)).flatten()


def interpolated_positions(rows: int, columns: int, side: int) -> Tensor:
    """The "interpolate" variant: fractions 0, 1/n, 2/n, ... bucketed by the boundaries 1/S, 2/S, ...

    float32 on purpose: which bucket an exact edge falls into depends on its rounding.
    """
    boundaries = torch.arange(1 / side, 1.0, 1 / side)
    fractions = [torch.arange(0, 1 - 1e-6, 1 / n) for n in (rows, columns)]
    row, column = (torch.bucketize(f, boundaries, right=True) for f in fractions)
    return (row[:, None] * side + column).flatten()


def sincos_table(side: int, dim: int) -> Tensor:
    """The frozen 2-D table [side*side, dim]: sin and cos of the column, then of the row, float32."""
    quarter = dim // 4
    rates = 10000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    angles = torch.arange(side, dtype=torch.float64)[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    column = line[None].expand(side, side, -1)
    row = line[:, None].expand(side, side, -1)
    return torch.cat([column, row], dim=-1).reshape(side * side, dim).float()
