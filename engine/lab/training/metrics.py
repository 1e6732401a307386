"""How close a reconstructed picture is: the autoencoder's loss, its PSNR and its SSIM. Pure functions.

All take pixels [B, 3, H, W] in [-1, 1].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = (1, 2, 4)
"""Edges are compared pixel by pixel, and in the picture made 2 and 4 times smaller."""


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """Absolute and half the squared error of the pixels, and what makes edges crisp.

    That is the absolute error of the differences to the next pixel, at every scale.
    """
    error = output - target
    edges = output.new_zeros(())
    for scale in SCALES:
        small = F.avg_pool2d(error, scale)
        edges = edges + small.diff(dim=2).abs().mean() + small.diff(dim=3).abs().mean()
    return error.abs().mean() + edges + 0.5 * error.square().mean()


def psnr(output: Tensor, target: Tensor) -> float:
    """Peak signal-to-noise ratio in dB over all pixels together."""
    return (10 * torch.log10(4 / (output - target).square().mean())).item()


def ssim(output: Tensor, target: Tensor) -> float:
    """Structural similarity (Wang et al. 2004), 1 for equal pictures.

    The mean over pictures, channels of RGB and every place of an 11 × 11 Gaussian window (σ = 1.5) inside
    the picture; K1 = 0.01, K2 = 0.03.
    """
    axis = torch.arange(11, dtype=output.dtype, device=output.device) - 5
    line = torch.exp(-axis.square() / (2 * 1.5**2))
    line = (line / line.sum()).repeat(3, 1, 1, 1)

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(x, line, groups=3), line.mT, groups=3)

    output, target = (pixels / 2 + 0.5 for pixels in (output, target))  # its constants are for 0 to 1
    c1, c2 = 0.01**2, 0.03**2
    a, b = mean(output), mean(target)
    spread_a, spread_b = mean(output.square()) - a.square(), mean(target.square()) - b.square()
    both = mean(output * target) - a * b
    likeness = (2 * a * b + c1) * (2 * both + c2)
    return (likeness / ((a.square() + b.square() + c1) * (spread_a + spread_b + c2))).mean().item()
