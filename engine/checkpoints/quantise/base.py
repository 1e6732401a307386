"""The base of every quantised layer: its sizes, and how it takes rows of weights."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

ROWS = 64
"""Rows come in multiples of this, so that no block of any format is split over two pieces."""


class QuantisedLinear(nn.Module, ABC):
    """A linear layer with frozen quantised weights: [..., in_features] -> [..., out_features].

    It begins on the meta device. :meth:`allocate` makes the buffers; then either every row goes through
    :meth:`take`, in order, and :meth:`finish` is called, or the buffers are filled from a quantised copy.
    ``label`` says in a word what it is.
    """

    label: str
    weight: Tensor
    bias: Tensor | None

    def __init__(self, in_features: int, out_features: int, bias: bool) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("bias", torch.empty(out_features, device="meta") if bias else None)

    def allocate(self, device: torch.device | str, dtype: torch.dtype) -> None:
        """Makes every buffer on ``device``; ``dtype`` is that of the bias and of what comes in and out."""
        for name, buffer in self.named_buffers(recurse=False):
            kind = dtype if name == "bias" else buffer.dtype
            setattr(self, name, torch.empty(buffer.shape, dtype=kind, device=device))

    @abstractmethod
    def take(self, first: int, rows: Tensor) -> None:
        """Quantises rows [n, in_features] of the weight from row ``first`` on.

        ``first`` is a multiple of :data:`ROWS`, and so is n except at the end.
        """

    def finish(self) -> None:  # noqa: B027  most formats have nothing left to do
        """Called once after the last row."""

    @abstractmethod
    def dense(self) -> Tensor:
        """The weight [out_features, in_features] as this layer understands it, float32."""

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, {self.label}"
