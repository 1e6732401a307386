"""The optimiser of the unified model, its schedule and its moving average.

Matrices inside the transformer blocks are updated by Muon (orthogonalised momentum; torch's own), all other
parameters (embeddings, projections in and out, norms, biases) by AdamW. Both follow one schedule.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def split_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """(matrices of the blocks, everything else), frozen parameters left out."""
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            inside = ".layers." in name and parameter.ndim == 2
            (matrices if inside else others).append(parameter)
    return matrices, others


def build_optimisers(model: nn.Module, matrix_rate: float, other_rate: float) -> list[torch.optim.Optimizer]:
    """[Muon, AdamW]. Each group keeps its peak rate under ``peak`` for :func:`set_rates`."""
    matrices, others = split_parameters(model)
    optimisers = [
        torch.optim.Muon(
            matrices, lr=matrix_rate, momentum=0.95, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return optimisers


def rate_factor(progress: float, warm: float = 0.01, floor: float = 0.02) -> float:
    """Linear warm-up, then cosine to ``floor``; ``progress`` in [0, 1] of the whole training."""
    if progress < warm:
        return progress / warm
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


def set_rates(optimisers: list[torch.optim.Optimizer], factor: float) -> None:
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * factor


class MovingAverage:
    """Exponential moving average of the trained parameters; what the checkpoint is made of."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self.decay = decay
        self.shadow = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        # The first steps forget quickly, so that the random initialisation leaves no trace.
        decay = min(self.decay, (1 + step) / (10 + step))
        named = dict(model.named_parameters())
        torch._foreach_lerp_(list(self.shadow.values()), [named[n].detach() for n in self.shadow], 1 - decay)


class ConvolutionMuon:
    """Muon for convolution kernels, each taken as a matrix [out, in * height * width].

    torch's Muon takes matrices only; these are views of the kernels' own storage (channels last), so a step
    on them is a step on the kernels.
    """

    def __init__(self, kernels: list[nn.Parameter], rate: float) -> None:
        self.kernels = kernels
        self.matrices = [nn.Parameter(self._flat(kernel.data)) for kernel in kernels]
        self.inner = torch.optim.Muon(
            self.matrices, lr=rate, momentum=0.95, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
        )

    @staticmethod
    def _flat(kernel: Tensor) -> Tensor:
        return kernel.permute(0, 2, 3, 1).view(kernel.shape[0], -1)

    def step(self) -> None:
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            gradient = kernel.grad.contiguous(memory_format=torch.channels_last)
            matrix.grad = gradient.permute(0, 2, 3, 1).reshape(matrix.shape)
        self.inner.step()
