"""Loads streamed weights into a model, cast or quantised on the way, one piece at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from engine.checkpoints.progress import Loading
from engine.checkpoints.quantise.base import QuantisedLinear
from engine.checkpoints.stream import Piece


class WeightLoader:
    """Fills ``module``, which is on the meta device.

    ``device_of`` gives the device of a parameter or buffer by its name; ``dtype`` is that of everything
    that is not quantised. ``quantised`` says that the pieces come from a quantised copy and need no work.
    """

    def __init__(
        self,
        module: nn.Module,
        device_of: Callable[[str], str],
        dtype: torch.dtype,
        *,
        quantised: bool = False,
    ) -> None:
        self._module, self._device_of, self._dtype = module, device_of, dtype
        self._quantised = quantised
        self._allocated: set[str] = set()

    def load(self, pieces: Iterable[Piece], loading: Loading) -> None:
        """Loads every piece. Raises ``LoadingCancelled`` once ``loading`` was cancelled."""
        for piece in pieces:
            self._take(piece)
            loading.advance(piece.rows.nbytes)

    def put(self, name: str, tensor: Tensor) -> None:
        """Loads one whole tensor that is not in the files."""
        self._take(Piece(name, 0, tensor, True))

    def _take(self, piece: Piece) -> None:
        owner_name, _, leaf = piece.name.rpartition(".")
        owner = self._module.get_submodule(owner_name)
        device = self._device_of(piece.name)
        if isinstance(owner, QuantisedLinear):
            if owner_name not in self._allocated:
                self._allocated.add(owner_name)
                owner.allocate(device, self._dtype)
            if leaf == "weight" and not self._quantised:
                owner.take(piece.first, piece.rows.to(device).to(self._dtype))
                if piece.last:
                    owner.finish()
                return
        elif piece.first == 0:
            self._allocate(owner, leaf, device)
        whole = getattr(owner, leaf)
        with torch.no_grad():
            if whole.dim():
                whole[piece.first : piece.first + len(piece.rows)].copy_(piece.rows)
            else:
                whole.copy_(piece.rows)

    def _allocate(self, owner: nn.Module, leaf: str, device: torch.device | str) -> None:
        """Replaces a tensor on the meta device by an empty one on ``device``."""
        empty = torch.empty(getattr(owner, leaf).shape, dtype=self._dtype, device=device)
        if leaf in owner._parameters:
            owner._parameters[leaf] = nn.Parameter(empty, requires_grad=False)
        else:
            owner._buffers[leaf] = empty
