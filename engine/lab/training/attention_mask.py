"""Which tokens attend to which in a packed batch, and where each token stands in the padded grid."""

from __future__ import annotations

import torch
from torch import Tensor

CAUSAL, FULL, NOISE = 0, 1, 2
"""How a split attends inside itself; nobody outside looks at a NOISE split."""


def attention_layout(lengths: Tensor, split_of: Tensor, kind_of: Tensor) -> tuple[Tensor, Tensor]:
    """Where packed tokens stand in a [B, S] rectangle, and who may look at whom there.

    Args:
        lengths: [B] tokens of each sample; split_of, kind_of: [T] split number and kind of each token.

    Returns:
        slots [T] in the flattened rectangle; mask [B, 1, S, S] bool, True = may look. Padding looks at
        everything, so that no softmax is empty; nobody looks at padding.
    """
    batch, longest = len(lengths), int(lengths.max())
    sample = torch.repeat_interleave(torch.arange(batch), lengths)
    begins = torch.cumsum(lengths, 0) - lengths
    slots = torch.arange(int(lengths.sum())) - begins[sample] + sample * longest
    split = torch.full((batch * longest,), -1).index_copy_(0, slots, split_of).view(batch, longest)
    kind = torch.full((batch * longest,), CAUSAL).index_copy_(0, slots, kind_of).view(batch, longest)
    query, key = split[:, :, None], split[:, None, :]
    earlier = (key < query) & (key >= 0) & (kind != NOISE)[:, None, :]
    order = torch.ones(longest, longest, dtype=torch.bool).tril()
    inside = (key == query) & ((kind != CAUSAL)[:, None, :] | order)
    return slots, (earlier | inside | (query < 0))[:, None]
