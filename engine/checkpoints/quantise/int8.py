"""8-bit integers on both sides of the product, by bitsandbytes. About twice as slow as bf16 on GPUs.

bitsandbytes casts what comes in to float16, which overflows at 65,504, and this kind of model goes beyond
that inside. Each row is therefore brought to at most 1 first and scaled back afterwards; the format is
scaled per row anyway, so nothing else changes.
"""

from __future__ import annotations

import bitsandbytes  # noqa: F401  registers the operation used below
import torch
from bitsandbytes.functional import int8_vectorwise_quant
from torch import Tensor

from engine.checkpoints.quantise.base import QuantisedLinear


def quantised_rows(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows [n, k] -> int8 [n, k], bitsandbytes' scales [n], and the float32 peaks [n, 1] taken out before."""
    peak = x.float().abs().amax(dim=-1, keepdim=True)
    even = torch.where(peak > 0, x.float() / peak, 1.0)  # a row of zeros comes back by its peak
    values, scale, _ = int8_vectorwise_quant(even.to(torch.float16))
    return values, scale, peak


class Int8Linear(QuantisedLinear):
    """One byte a weight; activations are scaled as they come, row by row."""

    label = "int8"
    scale: Tensor

    def __init__(self, in_features: int, out_features: int, bias: bool) -> None:
        super().__init__(in_features, out_features, bias)
        self.register_buffer(
            "weight", torch.empty(out_features, in_features, dtype=torch.int8, device="meta")
        )
        self.register_buffer("scale", torch.empty(out_features, device="meta"))

    def take(self, first: int, rows: Tensor) -> None:
        values, scale, peak = quantised_rows(rows)
        self.weight[first : first + len(rows)] = values
        self.scale[first : first + len(rows)] = scale * peak[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, self.in_features)
        if not len(rows):
            return x.new_empty(*x.shape[:-1], self.out_features)
        values, scale, peak = quantised_rows(rows)
        out = torch.ops.bitsandbytes.int8_scaled_mm(values, self.weight, scale, self.scale, dtype=x.dtype)
        out = out.mul_(peak)
        if self.bias is not None:
            out = out + self.bias
        return out.reshape(*x.shape[:-1], self.out_features)

    def dense(self) -> Tensor:
        return self.weight.float() * (self.scale / 127)[:, None]
