"""A GroupNorm whose backward pass is written out in whole-tensor operations.

On CPUs, PyTorch's own backward for channels-last bfloat16 takes more than half of an autoencoder
training step (measured: 1.08 s of 1.95 s for sixteen 128-pixel crops on two cores). Values are the same
up to bfloat16 rounding; the forward pass is PyTorch's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        n, c = x.shape[:2]
        weight, bias = weight.to(x.dtype), bias.to(x.dtype)
        y, mean, rstd = torch.ops.aten.native_group_norm(x, weight, bias, n, c, x[0, 0].numel(), groups, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, weight, mean, rstd = ctx.saved_tensors
        n, c = x.shape[:2]
        per_group = c // mean.shape[1]
        count = per_group * x[0, 0].numel()
        gamma = weight.float()
        spread = lambda stat: stat.float().repeat_interleave(per_group, dim=1)  # noqa: E731  [n, g] -> [n, c]
        gather = lambda value: value.view(n, -1, per_group).sum(-1).repeat_interleave(per_group, dim=1)  # noqa: E731
        mu, r = spread(mean), spread(rstd)
        sum_grad = grad.sum((2, 3), dtype=torch.float32)
        sum_grad_x = (grad * x).sum((2, 3), dtype=torch.float32)
        centred = r * (sum_grad_x - mu * sum_grad)
        slope = -r * r * gather(gamma * centred) / count
        offset = -r * gather(gamma * sum_grad) / count - slope * mu
        broadcast = lambda value: value.to(x.dtype)[:, :, None, None]  # noqa: E731
        dx = torch.addcmul(torch.addcmul(broadcast(offset), x, broadcast(slope)), grad, broadcast(r * gamma))
        return dx, centred.sum(0), sum_grad.sum(0), None, None


class WrittenOutGroupNorm(nn.GroupNorm):
    """Same parameters and values as ``nn.GroupNorm``; see the module's first lines."""

    def forward(self, x: Tensor) -> Tensor:
        return _GroupNorm.apply(x, self.weight, self.bias, self.num_groups, self.eps)


def write_out_group_norms(model: nn.Module) -> None:
    """Switches every GroupNorm of ``model`` to the written-out backward pass, in place."""
    for module in model.modules():
        if type(module) is nn.GroupNorm:
            module.__class__ = WrittenOutGroupNorm
