"""Auxiliary loss: predicts, from a middle layer, which thing each cell of a picture shows or will show.

A noised picture's tokens must know what they are becoming before they can paint it. Squared error alone
teaches that slowly, for a thing's kind changes few values of a picture. Aligning inner layers with the
features of a pretrained vision encoder is known to speed up flow models (REPA, arXiv 2410.06940); here
the scene graph says exactly what stands where, and takes the encoder's place. A seen picture's tokens
must know what they show before any word can be said of it, and a vision encoder that begins with nothing
learns that slowly from the words alone. The head is thrown away after training.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.lab.storybook.drawing.cells import COLOUR_NUMBERS, KIND_NUMBERS
from engine.lab.training.batch import PackedBatch
from engine.model.bagel import Bagel
from engine.model.language import GEN, UND

KINDS, COLOURS = 1 + len(KIND_NUMBERS), 1 + len(COLOUR_NUMBERS)


class CellHead(nn.Module):
    """Hidden rows of picture tokens [M, D] of one inner layer -> kinds and colours of their cells.

    One head for both experts: what is seen and what is drawn are said alike.
    """

    def __init__(self, model: Bagel) -> None:
        super().__init__()
        self.cells = model.config.latent_patch**2
        self.linear = nn.Linear(model.config.language.hidden_size, self.cells * (KINDS + COLOURS))
        nn.init.zeros_(self.linear.bias)
        self._rows: dict[str, Tensor] = {}
        layers = model.language_model.model.layers
        self._at = layers[(len(layers) - 1) // 2]
        self._at.register_forward_hook(self._keep)

    def _keep(self, layer: nn.Module, args: tuple, hidden: list[Tensor]) -> None:
        self._rows = {group.expert: rows for group, rows in zip(args[0], hidden, strict=True)}

    def loss(self, batch: PackedBatch) -> Tensor:
        """Sum over picture tokens of the mean over their cells of the cross-entropies of kind and of colour.

        Of targets and of seen pictures, as far as they came with their cells; after a forward of ``batch``.
        """
        rows, self._rows = self._rows, {}
        first = len(batch.row_of) - len(batch.noised)
        total = torch.zeros((), device=batch.cover.device)
        if len(batch.cover):
            total = total + self._of(rows[GEN], batch.row_of[batch.mse_index] - first, batch.cover)
        if len(batch.seen_cover):
            total = total + self._of(rows[UND], batch.row_of[batch.vit_index], batch.seen_cover)
        return total

    def _of(self, rows: Tensor, index: Tensor, cover: Tensor) -> Tensor:
        rows = rows.index_select(0, index)
        kinds, colours = (
            self.linear(F.rms_norm(rows, rows.shape[-1:]))
            .float()
            .unflatten(-1, (self.cells, -1))
            .split([KINDS, COLOURS], dim=-1)
        )
        cells = cover.unflatten(-1, (self.cells, 2))
        losses = F.cross_entropy(kinds.flatten(0, 1), cells[..., 0].flatten(), reduction="sum")
        losses = losses + F.cross_entropy(colours.flatten(0, 1), cells[..., 1].flatten(), reduction="sum")
        return losses / self.cells
