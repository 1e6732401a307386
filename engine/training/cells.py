"""A second teacher for the drawing expert: half-way up, which thing will each cell of the picture show?

A noised picture's tokens must know what they are becoming before they can paint it. Squared error alone
teaches that slowly, for a thing's kind changes few values of a picture. Aligning inner layers with the
features of a pretrained vision encoder is known to speed up flow models (REPA, arXiv 2410.06940); here
the scene graph says exactly what stands where, and takes the encoder's place. The head is thrown away
after training.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.bagel import Bagel
from engine.model.language import GEN
from engine.training.batch import PackedBatch
from engine.world.cells import COLOUR_NUMBERS, KIND_NUMBERS

KINDS, COLOURS = 1 + len(KIND_NUMBERS), 1 + len(COLOUR_NUMBERS)


class CellHead(nn.Module):
    """Hidden rows of latent tokens [M, D] of one inner layer -> kinds and colours of their cells."""

    def __init__(self, model: Bagel) -> None:
        super().__init__()
        self.cells = model.config.latent_patch**2
        self.linear = nn.Linear(model.config.language.hidden_size, self.cells * (KINDS + COLOURS))
        nn.init.zeros_(self.linear.bias)
        self._rows: Tensor | None = None
        layers = model.language_model.model.layers
        self._at = layers[(len(layers) - 1) // 2]
        self._at.register_forward_hook(self._keep)

    def _keep(self, layer: nn.Module, args: tuple, hidden: list[Tensor]) -> None:
        groups = args[0]
        self._rows = next((h for g, h in zip(groups, hidden, strict=True) if g.expert == GEN), None)

    def loss(self, batch: PackedBatch) -> Tensor:
        """Mean cross-entropy of kinds plus that of colours, after a forward of ``batch``; else 0."""
        if not len(batch.cover) or self._rows is None:
            return torch.zeros((), device=batch.cover.device)
        first = len(batch.row_of) - len(batch.noised)
        rows = self._rows.index_select(0, batch.row_of.index_select(0, batch.mse_index) - first)
        self._rows = None
        kinds, colours = (
            self.linear(F.rms_norm(rows, rows.shape[-1:]))
            .float()
            .unflatten(-1, (self.cells, -1))
            .split([KINDS, COLOURS], dim=-1)
        )
        cover = batch.cover.unflatten(-1, (self.cells, 2))
        return F.cross_entropy(kinds.flatten(0, 1), cover[..., 0].flatten()) + F.cross_entropy(
            colours.flatten(0, 1), cover[..., 1].flatten()
        )
