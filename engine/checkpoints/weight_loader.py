"""Loads streamed weights into a model, cast or quantised on the way, one chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from engine.checkpoints.progress import LoadProgress
from engine.checkpoints.quantise.base import QuantisedLinear
from engine.checkpoints.stream import Chunk


class WeightLoader:
    """Fills ``module``, which is on the meta device.

    ``device_of`` gives the device of a parameter or buffer by its name; ``dtype`` is that of everything
    that is not quantised. ``quantised`` says that the chunks come from a quantised copy and need no work.
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

    def load(self, chunks: Iterable[Chunk], loading: LoadProgress) -> None:
        """Loads every chunk. Raises ``LoadingCancelled`` once ``loading`` was cancelled."""
        for chunk in chunks:
            self._take(chunk)
            loading.advance(chunk.rows.nbytes)

    def put(self, name: str, tensor: Tensor) -> None:
        """Loads one whole tensor that is not in the files."""
        self._take(Chunk(name, 0, tensor, True))

    def _take(self, chunk: Chunk) -> None:
        owner_name, _, leaf = chunk.name.rpartition(".")
        owner = self._module.get_submodule(owner_name)
        device = self._device_of(chunk.name)
        if isinstance(owner, QuantisedLinear):
            if owner_name not in self._allocated:
                self._allocated.add(owner_name)
                owner.allocate(device, self._dtype)
            if leaf == "weight" and not self._quantised:
                owner.take(chunk.first, chunk.rows.to(device).to(self._dtype))
                if chunk.last:
                    owner.finish()
                return
        elif chunk.first == 0:
            self._allocate(owner, leaf, device)
        whole = getattr(owner, leaf)
        with torch.no_grad():
            if whole.dim():
                whole[chunk.first : chunk.first + len(chunk.rows)].copy_(chunk.rows)
            else:
                whole.copy_(chunk.rows)

    def _allocate(self, owner: nn.Module, leaf: str, device: torch.device | str) -> None:
        """Replaces a tensor on the meta device by an empty one on ``device``."""
        empty = torch.empty(getattr(owner, leaf).shape, dtype=self._dtype, device=device)
        if leaf in owner._parameters:
            owner._parameters[leaf] = nn.Parameter(empty, requires_grad=False)
        else:
            owner._buffers[leaf] = empty
