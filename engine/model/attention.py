"""Ways for the rows of a layer to attend: whole training batches, or new tokens after a stored past.

Hidden rows live in up to two groups, one per expert, and are never interleaved: attention is the only
place where the experts meet, so it alone joins the groups and splits its output again.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Heads = tuple[Tensor, Tensor, Tensor]
"""Query [T, h, d], key [T, kv, d] and value [T, kv, d] of one group's rows."""


def attend_heads(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """[B, h, Lq, d] x [B, kv, Lk, d] -> [B, h, Lq, d]; KV head g serves query heads g*(h/kv) onwards."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=q.shape[1] != k.shape[1])


class _Pick(torch.autograd.Function):
    """``rows[index]``, for an index that names every row once besides padding: the way back is a pick too."""

    @staticmethod
    def forward(ctx, rows: Tensor, index: Tensor, back: Tensor, padding: Tensor | None) -> Tensor:
        ctx.back, ctx.padding = back, padding
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        out = grad.index_select(0, ctx.back)
        if ctx.padding is not None:
            out.index_fill_(0, ctx.padding, 0)
        return out, None, None, None


def attend_by_matmul(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """:func:`attend_heads` with an additive mask, written as two batched products.

    For training on CPUs, where the fused kernel's backward pass is slow at the lengths of our samples
    (measured on two cores in bf16: 98 samples of 100 tokens 100 ms -> 20 ms, 29 of 290 96 ms -> 44 ms).
    """
    batch, heads, length, size = q.shape
    stores = k.shape[1]
    rows = (q * size**-0.5).reshape(batch * stores, heads // stores * length, size)
    k, v = (x.reshape(batch * stores, length, size) for x in (k, v))
    scores = torch.bmm(rows, k.transpose(1, 2)).view(batch, heads, length, length) + mask
    weights = scores.softmax(-1).view(batch * stores, heads // stores * length, length)
    return torch.bmm(weights, v).view(batch, heads, length, size)


class PackedAttention:
    """Self-attention inside each sample of a training batch.

    Args:
        gather: [B*S] row (of all groups joined) at each padded place; padding may name any row.
        scatter: [T] padded place of each row.
        mask: [B, 1, S, S] bool, True where a query may look. Padding queries must look at something.
    """

    def __init__(self, gather: Tensor, scatter: Tensor, mask: Tensor) -> None:
        self.gather, self.scatter = gather, scatter
        self.batch, self.length = mask.shape[0], mask.shape[-1]
        self._bool_mask, self._mask = mask, None
        used = torch.zeros(len(gather), dtype=torch.bool, device=gather.device).index_fill_(0, scatter, True)
        self._padding = (~used).nonzero().flatten()

    def _additive(self, dtype: torch.dtype) -> Tensor:
        """The mask as 0 / -inf, converted once for all layers."""
        if self._mask is None or self._mask.dtype != dtype:
            zeros = torch.zeros(self._bool_mask.shape, dtype=dtype, device=self._bool_mask.device)
            self._mask = zeros.masked_fill_(~self._bool_mask, float("-inf"))
        return self._mask

    def __call__(self, layer: int, groups: Sequence[Heads]) -> list[Tensor]:
        padded = []
        for parts in zip(*groups, strict=True):
            rows = torch.cat(parts) if len(parts) > 1 else parts[0]
            places = _Pick.apply(rows, self.gather, self.scatter, None)
            padded.append(places.view(self.batch, self.length, *rows.shape[1:]).transpose(1, 2))
        by_matmul = padded[0].device.type == "cpu" and torch.is_grad_enabled()
        attend = attend_by_matmul if by_matmul else attend_heads
        out = attend(*padded, self._additive(padded[0].dtype))
        places = out.transpose(1, 2).flatten(2).flatten(0, 1)
        rows = _Pick.apply(places, self.scatter, self.gather, self._padding)
        return list(rows.split([len(q) for q, _, _ in groups]))


class PastAttention:
    """New rows attend to a stored past and to each other, in B branches side by side.

    Rows of every group are [B * t, heads, d], branch by branch. The new keys and values are written
    into the buffers behind the past, so a second pass with the same ``past`` overwrites them.

    Args:
        keys, values: [L, B, kv, capacity, d] with the past in their first ``past`` places.
        past: how many places are taken.
        mask: bool, broadcastable to [B, 1, new, past + new], True where a query may look; None for all.
    """

    def __init__(self, keys: Tensor, values: Tensor, past: int, mask: Tensor | None = None) -> None:
        self.keys, self.values, self.past, self.mask = keys, values, past, mask

    def __call__(self, layer: int, groups: Sequence[Heads]) -> list[Tensor]:
        keys, values = self.keys[layer], self.values[layer]
        branches = keys.shape[0]
        q, k, v = (
            torch.cat([rows.unflatten(0, (branches, -1)) for rows in parts], dim=1).transpose(1, 2)
            for parts in zip(*groups, strict=True)
        )
        end = self.past + q.shape[2]
        keys[:, :, self.past : end] = k
        values[:, :, self.past : end] = v
        out = attend_heads(q, keys[:, :, :end], values[:, :, :end], self.mask).transpose(1, 2).flatten(2)
        counts = [len(rows) // branches for rows, _, _ in groups]
        return [part.flatten(0, 1) for part in out.split(counts, dim=1)]
