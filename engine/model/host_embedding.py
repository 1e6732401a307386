"""A token embedding that stays in host memory: only the rows of a text go to the GPU."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class HostEmbedding(nn.Embedding):
    """Ids [N] on any device -> rows [N, D] on that device, from a table on another one."""

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids.to(self.weight.device), self.weight).to(ids.device)
