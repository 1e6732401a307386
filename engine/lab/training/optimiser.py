"""The optimiser of the unified model, its schedule and its moving average.

Matrices inside the transformer blocks are updated by Muon (orthogonalised momentum), all other parameters
(embeddings, projections in and out, norms, biases, low-rank adapters) by AdamW. Both follow one schedule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.lab.training.sharding import gathered, local, spread

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic that draws all singular values towards 1 (Jordan et al., Muon, 2024)."""

TOGETHER = 2**26
"""Values of matrices of one shape that are made orthogonal at once."""


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made nearly orthogonal; its root mean square is 0.2 times the rate, as Adam's.

    ``torch.optim.Muon`` does the same, one matrix at a time and always in bfloat16, which a CPU without
    bfloat16 instructions emulates: 20 s a step of the default model on two AVX2 cores, against 0.4 s for
    float32 products over matrices of one shape together.
    """

    def __init__(
        self, matrices: Sequence[Tensor], rate: float, decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        super().__init__([{"params": list(matrices)}], {"lr": rate, "decay": decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape.setdefault(matrix.shape, []).append(matrix)
            for shape, matrices in by_shape.items():
                count = max(1, TOGETHER // shape.numel())
                for start in range(0, len(matrices), count):
                    self._step_alike(matrices[start : start + count], group)

    def _step_alike(self, matrices: list[Tensor], group: dict) -> None:
        own = [local(matrix) for matrix in matrices]
        gradients = [local(matrix.grad) for matrix in matrices if matrix.grad is not None]
        moving = [self.state[m].setdefault("momentum_buffer", torch.zeros_like(m)) for m in matrices]
        moving = [local(buffer) for buffer in moving]
        torch._foreach_lerp_(moving, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, moving, group["momentum"])
        # What is split over processes is made orthogonal whole, by each of them.
        whole = [gathered(part, matrix) for part, matrix in zip(ahead, matrices, strict=True)]
        updates = orthogonal(torch.stack(whole)).unbind()
        parts = [local(spread(update, matrix)) for update, matrix in zip(updates, matrices, strict=True)]
        rate = group["lr"] * 0.2 * math.sqrt(max(matrices[0].shape))
        torch._foreach_mul_(own, 1 - group["lr"] * group["decay"])
        torch._foreach_add_(own, parts, alpha=-rate)


def orthogonal(stack: Tensor, iterations: int = 5) -> Tensor:
    """Matrices [B, m, n] -> the nearest (semi-)orthogonal ones, roughly: singular values near 1."""
    tall = stack.shape[1] > stack.shape[2]
    x = stack.mT if tall else stack
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def split_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """(matrices of the blocks, everything else), frozen parameters left out."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            inside = ".layers." in name and parameter.ndim == 2 and ".lora_" not in name
            (matrices if inside else others).append(parameter)
    return matrices, others


def build_optimisers(model: nn.Module, matrix_rate: float, other_rate: float) -> list[torch.optim.Optimizer]:
    """[Muon, AdamW]."""
    matrices, others = split_parameters(model)
    return [
        Muon(matrices, rate=matrix_rate, decay=0.01),
        torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate_factor(progress: float, warm: float = 0.01, floor: float = 0.02, schedule: str = "cosine") -> float:
    """Linear warm-up, then cosine to ``floor``, or 1 if ``constant``; ``progress`` in [0, 1] of the whole."""
    if progress < warm:
        return progress / warm
    if schedule == "constant":
        return 1.0
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warm) / (1 - warm))))


def set_rates(
    optimisers: list[torch.optim.Optimizer], matrix_rate: float, other_rate: float, factor: float
) -> None:
    """Sets both peak rates times the schedule's factor."""
    for optimiser, peak in zip(optimisers, (matrix_rate, other_rate), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = peak * factor


class MovingAverage:
    """Exponential moving average of the trained parameters; what the checkpoint is made of.

    It looks back over a twentieth of the ``steps`` of the training, and over 500 at most: a longer memory
    would hold on to weights from before the rates came down.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        self.decay = 1 - 1 / min(500, max(2, steps / 20))
        self.shadow = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        # The first steps forget quickly, so that the random initialisation leaves no trace.
        decay = min(self.decay, (1 + step) / (10 + step))
        named = dict(model.named_parameters())
        shadow = [local(value) for value in self.shadow.values()]
        torch._foreach_lerp_(shadow, [local(named[n].detach()) for n in self.shadow], 1 - decay)


class ConvolutionMuon:
    """Muon for convolution kernels, each taken as a matrix [out, in * height * width].

    torch's Muon takes matrices only; these are views of the kernels' own storage (channels last), so a step
    on them is a step on the kernels.
    """

    def __init__(self, kernels: list[nn.Parameter], rate: float) -> None:
        self.kernels = kernels
        self.matrices = [nn.Parameter(self._flat(kernel.data)) for kernel in kernels]
        self.inner = Muon(self.matrices, rate=rate)

    @staticmethod
    def _flat(kernel: Tensor) -> Tensor:
        return kernel.permute(0, 2, 3, 1).view(kernel.shape[0], -1)

    def step(self) -> None:
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            assert kernel.grad is not None
            gradient = kernel.grad.contiguous(memory_format=torch.channels_last)
            matrix.grad = gradient.permute(0, 2, 3, 1).reshape(matrix.shape)
        self.inner.step()
