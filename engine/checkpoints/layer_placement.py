"""Which layer of a model is on which GPU, and how rows move between them.

Hidden rows move from one GPU to the next. Contexts are on the first GPU, so attention runs there: a layer
on another GPU sends its queries, keys and values over and gets the mixed rows back, some tens of megabytes
a layer for a large picture. :mod:`engine.placement.device_map` decides which layer goes where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from engine.model.attention import QKV
from engine.model.bagel import Bagel
from engine.model.language import Attend, ExpertRows

LAYERS = "language_model.model.layers"

Hook = Callable[[nn.Module, tuple[list[ExpertRows], Attend]], tuple[list[ExpertRows], Attend]]


@dataclass(frozen=True)
class LayerPlacement:
    """The device of every layer; ``main_device`` has everything else."""

    main_device: str
    layers: tuple[str, ...]

    def device_of(self, name: str) -> str:
        """The device of a tensor of the model."""
        if not name.startswith(LAYERS + "."):
            return self.main_device
        return self.layers[int(name[len(LAYERS) + 1 :].split(".")[0])]

    def connect(self, model: Bagel) -> None:
        """Makes rows move to each layer's GPU, and back to the main device from the last one."""
        layers = model.language_model.model.layers
        for layer, device in zip(layers, self.layers, strict=True):
            if device != self.main_device:
                layer.register_forward_pre_hook(_move_rows(device, self.main_device))
        if self.layers[-1] != self.main_device:
            layers[-1].register_forward_hook(lambda _, __, rows: [row.to(self.main_device) for row in rows])


def _move_rows(device: str, main_device: str) -> Hook:
    """A hook that moves a layer's rows to its GPU, and its attention to the main device."""

    def attend_on_main_device(attend: Attend) -> Attend:
        def attend_and_return(layer: int, groups: Sequence[QKV]) -> list[Tensor]:
            on_main = [(q.to(main_device), k.to(main_device), v.to(main_device)) for q, k, v in groups]
            mixed = attend(layer, on_main)
            return [rows.to(device) for rows in mixed]

        return attend_and_return

    def before(_: nn.Module, given: tuple[list[ExpertRows], Attend]) -> tuple[list[ExpertRows], Attend]:
        groups, attend = given
        moved = [
            ExpertRows(g.expert, g.hidden.to(device), g.cos.to(device), g.sin.to(device)) for g in groups
        ]
        return moved, attend_on_main_device(attend)

    return before
