"""4-bit normal floats with doubly quantised scales: bitsandbytes' arithmetic over buffers of our own.

bitsandbytes' own ``Linear4bit`` is not used: on CPUs with bf16 instructions its first forward repacks the
weights in place, fails for some shapes, is not thread-safe and spoils later saves (0.50.2).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from bitsandbytes import matmul_4bit
from bitsandbytes.functional import (
    QuantState,
    create_dynamic_map,
    dequantize_4bit,
    get_4bit_type,
    quantize_4bit,
    quantize_blockwise,
)
from torch import Tensor

from engine.checkpoints.quantise.base import QuantisedLinear

BLOCK = 64
"""Neighbouring weights that share one scale."""

SCALES = 256
"""Neighbouring scales that share one scale of their own."""


class Nf4Linear(QuantisedLinear):
    """0.516 bytes a weight. Equal, bit for bit, to quantising the whole weight at once."""

    label = "nf4"
    scale: Tensor
    scale_scale: Tensor
    scale_offset: Tensor
    levels: Tensor
    scale_levels: Tensor

    def __init__(self, in_features: int, out_features: int, bias: bool) -> None:
        super().__init__(in_features, out_features, bias)
        weights = in_features * out_features
        scales = -(-weights // BLOCK)
        with torch.device("meta"):
            self.register_buffer("weight", torch.empty((weights + 1) // 2, 1, dtype=torch.uint8))
            self.register_buffer("scale", torch.empty(scales, dtype=torch.uint8))
            self.register_buffer("scale_scale", torch.empty(-(-scales // SCALES)))
            self.register_buffer("scale_offset", torch.empty(()))
            self.register_buffer("levels", torch.empty(16), persistent=False)
            self.register_buffer("scale_levels", torch.empty(256), persistent=False)
        self._scales: Tensor | None = None

    def allocate(self, device: torch.device | str, dtype: torch.dtype) -> None:
        super().allocate(device, dtype)
        self.levels.copy_(get_4bit_type("nf4", device="cpu"))
        self.scale_levels.copy_(create_dynamic_map())

    def take(self, first: int, rows: Tensor) -> None:
        packed, state = quantize_4bit(
            rows.contiguous(), blocksize=BLOCK, compress_statistics=False, quant_type="nf4"
        )
        if self._scales is None:
            self._scales = torch.empty(self.scale.shape, device=self.scale.device)
        at = first * self.in_features
        self.weight[at // 2 : at // 2 + len(packed)] = packed
        self._scales[at // BLOCK : at // BLOCK + len(state.absmax)] = state.absmax

    def finish(self) -> None:
        """Quantises the scales, which needs the mean of them all."""
        assert self._scales is not None, "no rows were taken"
        offset = self._scales.mean()
        self.scale, state = quantize_blockwise(self._scales - offset, blocksize=SCALES)
        self.scale_scale, self.scale_offset, self._scales = state.absmax, offset, None

    def _state(self, dtype: torch.dtype, *shape: int) -> QuantState:
        return QuantState(
            absmax=self.scale,
            shape=torch.Size(shape),
            dtype=dtype,
            blocksize=BLOCK,
            code=self.levels,
            quant_type="nf4",
            offset=self.scale_offset,
            state2=QuantState(
                absmax=self.scale_scale, blocksize=SCALES, code=self.scale_levels, dtype=torch.float32
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.in_features % 2:  # for these bitsandbytes needs a C++ compiler on CPUs
            return F.linear(x, self.dense().to(x.dtype), self.bias)
        state = self._state(x.dtype, self.out_features, self.in_features)
        # before 0.50 bitsandbytes wants the bytes lying down, as its own layers give them
        return matmul_4bit(x, self.weight.t(), state, bias=self.bias)

    def dense(self) -> Tensor:
        flat = dequantize_4bit(self.weight, self._state(torch.float32, 1, 2 * len(self.weight)))
        return flat[0, : self.out_features * self.in_features].view(self.out_features, self.in_features)
