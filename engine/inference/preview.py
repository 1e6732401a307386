"""Previews: a cheap picture of latents while they are still being drawn, by one linear map, no decoder.

The map is fitted once per loaded autoencoder: it encodes blotchy pictures and keeps the least-squares map
from each latent cell back to its block of pixels.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engine.model.autoencoder import Autoencoder

CELL = 4
"""PreviewProjector pixels per latent cell and side."""


class PreviewProjector:
    """Latents [z, h, w] -> an RGB picture of h*CELL x w*CELL pixels."""

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights

    @classmethod
    @torch.inference_mode()
    def fit(cls, autoencoder: Autoencoder) -> PreviewProjector:
        """Fits the map on sixteen fixed random pictures of eight by eight latent cells."""
        weight = next(autoencoder.parameters())
        f, z = autoencoder.config.downsample, autoencoder.config.z_channels
        pictures = _blotches(16, 8 * f)
        latents = autoencoder.encode(pictures.to(weight)).float().cpu()
        blocks = F.interpolate(pictures, size=(8 * CELL, 8 * CELL), mode="area")
        blocks = blocks.unflatten(2, (8, CELL)).unflatten(4, (8, CELL)).permute(0, 2, 4, 3, 5, 1)
        cells = latents.permute(0, 2, 3, 1).reshape(-1, z)
        inputs = torch.cat([cells, torch.ones(len(cells), 1)], dim=1)
        ridge = 1e-3 * len(cells) * torch.eye(z + 1)
        return cls(torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ blocks.reshape(len(cells), -1)))

    def picture(self, latent: Tensor) -> Image.Image:
        """The picture of latents [z, h, w]."""
        _, h, w = latent.shape
        cells = latent.float().cpu().permute(1, 2, 0)
        blocks = (cells @ self.weights[:-1] + self.weights[-1]).view(h, w, CELL, CELL, 3)
        pixels = blocks.permute(0, 2, 1, 3, 4).reshape(h * CELL, w * CELL, 3)
        levels = ((pixels * 0.5 + 0.5).clamp(0, 1) * 255).nan_to_num().to(torch.uint8)
        return Image.fromarray(np.ascontiguousarray(levels.numpy()), "RGB")


def _blotches(count: int, side: int) -> Tensor:
    """Smooth colour fields under flat rectangles: [count, 3, side, side] in [-1, 1], always the same."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 4, 4, generator=generator) * 2 - 1
    pictures = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False).clamp(-1, 1)
    for picture in pictures:
        for _ in range(6):
            top, left = (int(torch.randint(0, side * 3 // 4, (), generator=generator)) for _ in range(2))
            height, width = (
                int(torch.randint(side // 8, side // 2, (), generator=generator)) for _ in range(2)
            )
            colour = torch.rand(3, 1, 1, generator=generator) * 2 - 1
            picture[:, top : top + height, left : left + width] = colour
    return pictures
