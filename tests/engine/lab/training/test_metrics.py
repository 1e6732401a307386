"""The autoencoder's measures against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from engine.lab.training.metrics import psnr, reconstruction_loss, ssim


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 24, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_equal_pictures_are_equal() -> None:
    assert ssim(pictures(), pictures()) == pytest.approx(1, abs=1e-6)
    assert reconstruction_loss(pictures(), pictures()) == 0


def test_psnr_is_that_of_the_mean_squared_error() -> None:
    assert psnr(pictures() + 0.2, pictures()) == pytest.approx(10 * math.log10(4 / 0.04), abs=1e-3)


def test_ssim_is_the_definition_written_out() -> None:
    a, b = pictures(), (pictures() + pictures().flip(3)) / 2
    axis = torch.arange(11) - 5.0
    window = torch.exp(-(axis[:, None] ** 2 + axis**2) / 4.5)
    window /= window.sum()
    found = []
    for n in range(2):
        for c in range(3):
            for y in range(14):
                for x in range(10):
                    p, q = (t[n, c, y : y + 11, x : x + 11].double() / 2 + 0.5 for t in (a, b))
                    mean = lambda t: (t * window).sum()  # noqa: E731
                    mp, mq = mean(p), mean(q)
                    vp, vq, both = mean(p * p) - mp**2, mean(q * q) - mq**2, mean(p * q) - mp * mq
                    top = (2 * mp * mq + 0.01**2) * (2 * both + 0.03**2)
                    found.append(top / ((mp**2 + mq**2 + 0.01**2) * (vp + vq + 0.03**2)))
    assert ssim(a, b) == pytest.approx(torch.stack(found).mean().item(), abs=1e-5)


def test_a_blurred_edge_costs_more_than_an_even_error_of_its_size() -> None:
    target = torch.ones(1, 3, 16, 16)
    target[..., 8:] = -1
    blurred = target.clone()
    blurred[..., 7:9] = 0
    even = target + (blurred - target).abs().mean()
    assert reconstruction_loss(blurred, target) > 2 * reconstruction_loss(even, target)
