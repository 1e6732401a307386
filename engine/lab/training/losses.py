"""The two training losses: cross-entropy of words, squared error of velocities. No optimiser here."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.lab.training.batch import PackedBatch
from engine.model.bagel import Bagel


@dataclass
class Losses:
    """``ce`` [labels] per label; ``mse`` [M, C] per target token and channel; ``hidden`` [T, D]. float32.

    An empty kind has an empty tensor; its mean counts as 0.
    """

    ce: Tensor
    mse: Tensor
    hidden: Tensor

    @property
    def ce_mean(self) -> Tensor:
        """Mean over labels."""
        return self.ce.sum() / max(len(self.ce), 1)

    @property
    def mse_mean(self) -> Tensor:
        """Mean over target tokens of the mean over channels."""
        return self.mse.sum() / max(self.mse.numel(), 1)

    def weighted_ce(self, weights: Tensor) -> Tensor:
        """Mean weighted by text length (``PackedBatch.ce_weights``)."""
        return (self.ce * weights).sum() / weights.sum()


def training_losses(model: Bagel, batch: PackedBatch) -> Losses:
    """One forward of a packed batch; the caller adds the means and steps backwards."""
    hidden = model(batch)
    device = hidden.device
    ce = mse = torch.zeros(0, device=device)
    if len(batch.ce_index):
        logits = model.language_model.logits(hidden.index_select(0, batch.ce_index))
        ce = F.cross_entropy(logits, batch.ce_labels, reduction="none")
    if len(batch.mse_index):
        velocity = model.velocity(hidden.index_select(0, batch.mse_index))
        mse = (velocity.float() - batch.velocity).square()
    return Losses(ce, mse, hidden)
