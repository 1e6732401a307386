"""How the rows of a layer attend: whole training batches, or new tokens after a stored past.

Rows come in up to two groups, one per expert, and are never interleaved. Attention is the only place where
the experts meet, so it alone joins the groups and splits its output again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

QKV = tuple[Tensor, Tensor, Tensor]
"""Queries [T, h, d], keys [T, kv, d] and values [T, kv, d] of one group's rows."""


def attend_heads(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """[B, h, Lq, d] x [B, kv, Lk, d] -> [B, h, Lq, d]; KV head g serves query heads g*(h/kv) onwards."""
    if q.is_cuda and mask is not None:
        return attend_as_rows(q, k, v, mask)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=q.shape[1] != k.shape[1])


def attend_as_rows(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """:func:`attend_heads` with the query heads of each KV head as further rows of one head.

    Some GPU kernels that take a mask take no more query heads than KV heads. Without them torch would
    write the whole matrix of scores, a gigabyte and more for a text after a picture.
    """
    batch, heads, length, size = q.shape
    kv_heads = k.shape[1]
    rows = q.reshape(batch, kv_heads, -1, size)
    repeated = mask.repeat(*(1 for _ in mask.shape[:-2]), heads // kv_heads, 1)
    return F.scaled_dot_product_attention(rows, k, v, attn_mask=repeated).reshape(batch, heads, length, size)


class _Select(torch.autograd.Function):
    """``rows[index]`` for an index that names every row once, padding aside; ``inverse`` is its inverse.

    The gradient is a selection too, which is faster than torch's scattered sum.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, inverse: Tensor, padding: Tensor | None) -> Tensor:
        ctx.inverse, ctx.padding = inverse, padding
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        out = grad.index_select(0, ctx.inverse)
        if ctx.padding is not None:
            out.index_fill_(0, ctx.padding, 0)
        return out, None, None, None


def attend_by_matmul(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """:func:`attend_heads` with an additive mask, written as two batched products.

    For training on CPUs, where the fused kernel's backward pass is slow at the lengths of our samples
    (measured on two cores in bf16: 98 samples of 100 tokens 100 ms -> 20 ms, 29 of 290 96 ms -> 44 ms).
    """
    batch, heads, length, size = q.shape
    kv_heads = k.shape[1]
    rows = (q * size**-0.5).reshape(batch * kv_heads, heads // kv_heads * length, size)
    k, v = (x.reshape(batch * kv_heads, length, size) for x in (k, v))
    scores = torch.bmm(rows, k.transpose(1, 2)).view(batch, heads, length, length) + mask
    weights = scores.softmax(-1).view(batch * kv_heads, heads // kv_heads * length, length)
    return torch.bmm(weights, v).view(batch, heads, length, size)


class PackedAttention:
    """Self-attention inside each sample of a training batch.

    Args:
        gather: [B*S] row (of all groups joined) at each padded position; padding may name any row.
        scatter: [T] padded position of each row.
        mask: [B, 1, S, S] bool, True where a query may look. Padding queries must look at something.
    """

    def __init__(self, gather: Tensor, scatter: Tensor, mask: Tensor) -> None:
        self.gather, self.scatter = gather, scatter
        self.batch, self.length = mask.shape[0], mask.shape[-1]
        self._bool_mask = mask
        self._mask: Tensor | None = None
        used = torch.zeros(len(gather), dtype=torch.bool, device=gather.device).index_fill_(0, scatter, True)
        self._padding = (~used).nonzero().flatten()

    def _additive(self, dtype: torch.dtype) -> Tensor:
        """The mask as 0 / -inf, converted once for all layers."""
        if self._mask is None or self._mask.dtype != dtype:
            zeros = torch.zeros(self._bool_mask.shape, dtype=dtype, device=self._bool_mask.device)
            self._mask = zeros.masked_fill_(~self._bool_mask, float("-inf"))
        return self._mask

    def __call__(self, layer: int, groups: Sequence[QKV]) -> list[Tensor]:
        padded = []
        for parts in zip(*groups, strict=True):
            rows = torch.cat(parts) if len(parts) > 1 else parts[0]
            selected = _Select.apply(rows, self.gather, self.scatter, None)
            padded.append(selected.view(self.batch, self.length, *rows.shape[1:]).transpose(1, 2))
        by_matmul = padded[0].device.type == "cpu" and torch.is_grad_enabled()
        attend = attend_by_matmul if by_matmul else attend_heads
        q, k, v = padded
        out = attend(q, k, v, self._additive(q.dtype))
        flat = out.transpose(1, 2).flatten(2).flatten(0, 1)
        rows = _Select.apply(flat, self.scatter, self.gather, self._padding)
        return list(rows.split([len(q) for q, _, _ in groups]))


class PastAttention:
    """New rows attend to a stored past and to each other.

    The new keys and values are written into the buffers behind the past, so a second pass with the
    same ``past`` overwrites them.

    Args:
        keys, values: [L, kv, capacity, d] that begin with the past.
        past: how many tokens that is.
        mask: bool, broadcastable to [new, past + new], True where a query may look; None for all.
    """

    def __init__(self, keys: Tensor, values: Tensor, past: int, mask: Tensor | None = None) -> None:
        self.keys, self.values, self.past, self.mask = keys, values, past, mask

    def __call__(self, layer: int, groups: Sequence[QKV]) -> list[Tensor]:
        end = self.past + sum(len(q) for q, _, _ in groups)
        slot = KVSlot(self.keys[layer, :, :end], self.values[layer, :, :end], self.past)
        return _attend_in_slot(slot, groups, self.mask)


class TokenAttention:
    """One new row attends to a past of fixed capacity; nothing here depends on how full it is.

    Every tensor keeps its address and shape from row to row, which is what a recorded CUDA graph needs.

    Args:
        keys, values: [L, kv, capacity, d].
        index: [1] int64, where the new row is stored.
        mask: [1, capacity], 0 where the row may look (itself too), else -inf.
    """

    def __init__(self, keys: Tensor, values: Tensor, index: Tensor, mask: Tensor) -> None:
        self.keys, self.values, self.index, self.mask = keys, values, index, mask

    def __call__(self, layer: int, groups: Sequence[QKV]) -> list[Tensor]:
        ((q, k, v),) = groups
        keys, values = self.keys[layer], self.values[layer]
        keys.index_copy_(1, self.index, k.transpose(0, 1))
        values.index_copy_(1, self.index, v.transpose(0, 1))
        rows = q.view(1, len(keys), -1, q.shape[-1])  # query heads of one KV head side by side
        return [F.scaled_dot_product_attention(rows, keys[None], values[None], self.mask).view(1, -1)]


@dataclass(frozen=True)
class KVSlot:
    """Keys and values [..., kv, n, d] of everything that some rows see; their own go in from ``begin`` on."""

    keys: Tensor
    values: Tensor
    begin: int


class GuidanceAttention:
    """The same rows after B contexts at once; the linear layers see one batch.

    Rows of every group are [B * t, heads, d], context by context. Nothing is masked or padded: the rows of
    each context attend on their own, over exactly the keys they see.

    Args:
        slots: what the rows of each context see, in all layers: [L, kv, n, d].
    """

    def __init__(self, slots: Sequence[KVSlot]) -> None:
        self.slots = slots

    def __call__(self, layer: int, groups: Sequence[QKV]) -> list[Tensor]:
        count = len(self.slots)
        batched = [[rows.unflatten(0, (count, -1)) for rows in group] for group in groups]
        outputs = []
        for number, slot in enumerate(self.slots):
            here = KVSlot(slot.keys[layer], slot.values[layer], slot.begin)
            own = [(q[number], k[number], v[number]) for q, k, v in batched]
            outputs.append(_attend_in_slot(here, own, None))
        if count == 1:
            return outputs[0]
        return [torch.cat(rows) for rows in zip(*outputs, strict=True)]


def _attend_in_slot(slot: KVSlot, groups: Sequence[QKV], mask: Tensor | None) -> list[Tensor]:
    """Stores the groups' keys and values in the slot; returns each group's mixed rows [t, h * d]."""
    counts = [len(q) for q, _, _ in groups]
    start = slot.begin
    for count, (_, k, v) in zip(counts, groups, strict=True):
        slot.keys[:, start : start + count] = k.transpose(0, 1)
        slot.values[:, start : start + count] = v.transpose(0, 1)
        start += count
    keys, values = slot.keys[None], slot.values[None]
    queries = torch.cat([q for q, _, _ in groups]) if len(groups) > 1 else groups[0][0]
    if len(queries) == 1:  # query heads of one KV head side by side: its keys are read once
        rows = queries.view(1, keys.shape[1], -1, queries.shape[-1])
        return [F.scaled_dot_product_attention(rows, keys, values).view(1, -1)]
    out = attend_heads(queries.transpose(0, 1)[None], keys, values, mask)[0].transpose(0, 1).flatten(1)
    return list(out.split(counts))
