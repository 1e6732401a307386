"""8-bit floats on both sides of the product (e4m3), scaled per row: ``torch._scaled_mm``, nothing else.

Needs an Ada GPU or newer; the same operation runs on CPUs, slowly, for the tests.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.checkpoints.quantise.base import QuantisedLinear

FORMAT = torch.float8_e4m3fn
LARGEST = torch.finfo(FORMAT).max
ALIGNED = 16
"""GPUs need both sides in multiples of this; what is missing is filled with zeros."""


def quantised_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [n, k] -> e4m3 [n, k] and the float32 scales [n, 1] that bring them back.

    In as few passes over the memory as possible, or they would cost a GPU more than the product saves. No
    clamp is needed: with its own scale no row exceeds the format's largest number.
    """
    peak = torch.linalg.vector_norm(x, float("inf"), dim=-1, keepdim=True)
    scale = (peak.float() / LARGEST).clamp_(min=1e-12)
    return (x / scale).to(FORMAT), scale


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


class Fp8Linear(QuantisedLinear):
    """One byte a weight; activations are scaled as they come, row by row."""

    label = "fp8"
    scale: Tensor

    def __init__(self, in_features: int, out_features: int, bias: bool) -> None:
        super().__init__(in_features, out_features, bias)
        inner, outer = _aligned(in_features), _aligned(out_features)
        self.register_buffer("weight", torch.empty(outer, inner, dtype=FORMAT, device="meta"))
        self.register_buffer("scale", torch.empty(outer, 1, device="meta"))

    def allocate(self, device: torch.device | str, dtype: torch.dtype) -> None:
        super().allocate(device, dtype)
        self.weight.zero_()
        self.scale.fill_(1.0)

    def take(self, first: int, rows: Tensor) -> None:
        values, scale = quantised_rows(rows)
        self.weight[first : first + len(rows), : self.in_features] = values
        self.scale[first : first + len(rows)] = scale

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, self.in_features)
        if not len(rows):
            return x.new_empty(*x.shape[:-1], self.out_features)
        missing = self.weight.shape[1] - self.in_features
        values, scale = quantised_rows(F.pad(rows, (0, missing)) if missing else rows)
        out = torch._scaled_mm(
            values,
            self.weight.t(),
            scale_a=scale,
            scale_b=self.scale.t(),
            out_dtype=x.dtype,
            use_fast_accum=x.device.type != "cpu",
        )[:, : self.out_features]
        if self.bias is not None:
            out = out + self.bias
        return out.reshape(*x.shape[:-1], self.out_features)

    def dense(self) -> Tensor:
        return (self.weight.float() * self.scale)[: self.out_features, : self.in_features]
