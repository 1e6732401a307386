"""Several cards: the layers split over them by accelerate's device map, everything else on the first.

Hidden rows travel at the borders. Contexts lie on the first card, and so attention is done there: a layer
on another card sends its heads over and gets the mixed rows back, which is some tens of megabytes a layer
for a large picture. Never a disk, never the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.sizes import EMBEDDING, LM_HEAD
from engine.model.attention import Heads
from engine.model.bagel import Bagel
from engine.model.host_embedding import HostEmbedding
from engine.model.language import Attend, Group

LAYERS = "language_model.model.layers"


@dataclass(frozen=True)
class Cards:
    """Which layer lies where; ``home`` has everything else."""

    home: str
    layers: tuple[str, ...]

    @classmethod
    def split(cls, model: Bagel, room: Mapping[str, int], dtype: torch.dtype, *, taken: int = 0) -> Cards:
        """Fills the cards of ``room`` (bytes each, in order) with the layers of a model on the meta device.

        ``taken`` are bytes of the first card that something else will need. Raises ``CheckpointError`` when
        they don't fit.
        """
        from accelerate import infer_auto_device_map  # a second to import, and only here of use

        home, *_ = room
        layers = model.language_model.model.layers
        apart = taken + sum(
            _bytes(value, dtype)
            for name, value in _own_tensors(model).items()
            if not name.startswith(LAYERS + ".") and not is_on_host(model, name)
        )
        left = dict(enumerate(room.values()))
        left[0] = max(0, left[0] - apart)
        # accelerate keeps room for one more layer on its main device, to bring back what it offloads. Nothing
        # is offloaded here: with an "mps" named, that is the main device, and no card loses room.
        found = infer_auto_device_map(
            layers,
            {**left, "mps": 0, "cpu": 0, "disk": 0},
            no_split_module_classes=[type(layers[0]).__name__],
            dtype=dtype,
        )
        names = list(room)
        places = [found.get(str(number), found.get("", "disk")) for number in range(len(layers))]
        if apart > room[home] or not all(isinstance(place, int) for place in places):
            sizes = ", ".join(f"{size / 2**30:.1f}" for size in room.values())
            raise CheckpointError(
                f"The model doesn't fit on these cards ({sizes} GiB free). Choose a smaller profile; nothing "
                "is put on a disk or the processor unasked."
            )
        return cls(home, tuple(names[place] for place in places))

    def device_of(self, name: str) -> str:
        """Where a tensor of the model belongs."""
        if not name.startswith(LAYERS + "."):
            return self.home
        return self.layers[int(name[len(LAYERS) + 1 :].split(".")[0])]

    def connect(self, model: Bagel) -> None:
        """Lets the rows travel: to each layer's card, and home from the last one."""
        layers = model.language_model.model.layers
        for layer, device in zip(layers, self.layers, strict=True):
            if device != self.home:
                layer.register_forward_pre_hook(_journey(device, self.home))
        if self.layers[-1] != self.home:
            layers[-1].register_forward_hook(lambda _, __, rows: [row.to(self.home) for row in rows])


def _journey(device: str, home: str):
    """A hook that brings a layer's rows to its card, and its attention home."""

    def attend_at_home(attend: Attend) -> Attend:
        def there_and_back(layer: int, groups: Sequence[Heads]) -> list[Tensor]:
            mixed = attend(layer, [tuple(part.to(home) for part in heads) for heads in groups])
            return [rows.to(device) for rows in mixed]

        return there_and_back

    def before(_: nn.Module, given: tuple[list[Group], Attend]) -> tuple[list[Group], Attend]:
        groups, attend = given
        moved = [Group(g.expert, g.hidden.to(device), g.cos.to(device), g.sin.to(device)) for g in groups]
        return moved, attend_at_home(attend)

    return before


def is_on_host(model: Bagel, name: str) -> bool:
    """Whether a tensor of the model stays in the computer's own memory, whatever the card."""
    return name == EMBEDDING and isinstance(model.language_model.model.embed_tokens, HostEmbedding)


def _own_tensors(model: Bagel) -> dict[str, Tensor]:
    """What the model keeps, by name: a head that is the word table itself is there once."""
    tied = model.config.language.tie_word_embeddings
    return {name: value for name, value in model.state_dict().items() if not (tied and name == LM_HEAD)}


def _bytes(value: Tensor, dtype: torch.dtype) -> int:
    """Size once loaded: floats get the wanted dtype, quantised weights stay as they are."""
    size = dtype.itemsize if value.dtype == torch.float32 else value.dtype.itemsize
    return value.numel() * size
