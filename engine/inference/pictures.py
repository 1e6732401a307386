"""Pictures on their way into a context and out of the autoencoder."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor

from engine.core.errors import GenerationError
from engine.core.image_sizes import ImageSizes
from engine.inference.prefill import ContextItem, VaeImage, VitImage
from engine.inference.preprocess import Transform, normalised
from engine.model.autoencoder import Autoencoder, to_uint8
from engine.model.config import BagelConfig

VAE_SIDES, VIT_SIDES = (1024, 512), (980, 224)
"""Longest and shortest side of a picture as the public release shows it to its two encoders."""


def transforms(config: BagelConfig) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """(max, min, stride) of the release for both encoders, fitted to a checkpoint's own patches and grids."""
    return (
        _fitted(VAE_SIDES, config.latent_downsample, config.latent_side),
        _fitted(VIT_SIDES, config.vision.patch_size, config.vit_side),
    )


def _fitted(sides: tuple[int, int], unit: int, grid: int) -> tuple[int, int, int]:
    longest, shortest = (min(side, grid * unit) // unit * unit for side in sides)
    return longest, shortest, unit


def shown_size(width: int, height: int, sizes: ImageSizes, rule: Transform) -> tuple[int, int]:
    """(width, height) at which the model is shown a picture.

    A size that it draws stays: the public rule makes small pictures larger, and then no session would keep
    the size of its first picture, nor would a small one save memory. Any other size goes by the rule. A model
    that knows one size only is shown no other, whatever shape came with a session from elsewhere.
    """
    if sizes.is_fixed:
        return sizes.usual[1], sizes.usual[0]
    whole = width % sizes.unit == height % sizes.unit == 0
    if whole and max(width, height) <= sizes.largest:
        return width, height
    return rule.size(width, height)


def picture_items(
    name: str,
    resized: Callable[[], Image.Image],
    encode: Callable[[Image.Image], Tensor],
    vit_transform: Transform,
) -> list[ContextItem]:
    """The two items of a picture as context; both are made from the same resized RGB picture."""
    return [
        VaeImage(name, lambda: encode(resized())),
        VitImage(name, lambda: vit_transform.pixels(resized())),
    ]


@torch.inference_mode()
def encode(autoencoder: Autoencoder, picture: Image.Image) -> Tensor:
    """An RGB picture of whole latent cells -> the latents [z, h, w] of its posterior mean."""
    weight = autoencoder.encoder.conv_in.weight
    return autoencoder.encode(normalised(picture)[None].to(weight))[0].float()


@torch.inference_mode()
def decode(autoencoder: Autoencoder, latent: Tensor) -> Image.Image:
    """Latents [z, h, w] -> the RGB picture. Raises ``GenerationError`` rather than give an empty one."""
    weight = autoencoder.decoder.conv_in.weight
    decoded = autoencoder.decode(latent[None].to(weight))[0]
    if not torch.isfinite(decoded).all():
        raise GenerationError(
            "The picture could not be decoded: its numbers overflowed. No picture was kept."
        )
    levels = to_uint8(decoded).cpu()
    if torch.equal(levels.amin((0, 1)), levels.amax((0, 1))):
        raise GenerationError("The picture came out as one flat colour, so it was not kept.")
    return Image.fromarray(levels.numpy(), "RGB")
