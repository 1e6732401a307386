"""Preprocessing: turns any picture into the exact pixels that the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

MAX_PIXELS = 14 * 14 * 9 * 1024


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in RGB; transparency is put on white."""
    if image.mode == "RGBA" or image.info.get("transparency") is not None:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        return white
    return image.convert("RGB")


@dataclass(frozen=True)
class Transform:
    """The public resize rule: sides within [min, max] where the shape allows, multiples of ``stride``."""

    max_size: int
    min_size: int
    stride: int
    max_pixels: int = MAX_PIXELS

    def size(self, width: int, height: int, images: int = 1) -> tuple[int, int]:
        """(width, height) after resizing; ``images`` share the pixel budget.

        Rounding is banker's, twice, and the budget scales both sides linearly: what the public code does.
        """
        scale = min(self.max_size / max(width, height), 1.0)
        scale = max(scale, self.min_size / min(width, height))
        width, height = self._scaled(width, height, scale)
        if width * height > self.max_pixels / images:
            width, height = self._scaled(width, height, self.max_pixels / images / (width * height))
        if max(width, height) > self.max_size:
            width, height = self._scaled(width, height, self.max_size / max(width, height))
        return width, height

    def _scaled(self, width: int, height: int, scale: float) -> tuple[int, int]:
        new = (round(side * scale) for side in (width, height))
        width, height = (max(self.stride, round(side / self.stride) * self.stride) for side in new)
        return width, height

    def resize(self, image: Image.Image) -> Image.Image:
        """Bicubic resize of an RGB picture to :meth:`size`."""
        return resized(image, self.size(*image.size))

    def pixels(self, image: Image.Image) -> Tensor:
        """Resized RGB picture as [3, H, W] float32 in [-1, 1]."""
        return normalised(self.resize(image))


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Bicubic resize of an RGB picture to (width, height)."""
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def normalised(image: Image.Image) -> Tensor:
    """An RGB picture as [3, H, W] float32 in [-1, 1]."""
    array = torch.from_numpy(np.array(image, dtype=np.uint8))
    return (array.permute(2, 0, 1).float().div(255) - 0.5) / 0.5
