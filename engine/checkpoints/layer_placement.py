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
    """The device of every layer; ``home`` has everything else."""

    home: str
    layers: tuple[str, ...]

    def device_of(self, name: str) -> str:
        """The device of a tensor of the model."""
        if not name.startswith(LAYERS + "."):
            return self.home
        return self.layers[int(name[len(LAYERS) + 1 :].split(".")[0])]

    def connect(self, model: Bagel) -> None:
        """Makes rows move to each layer's GPU, and home from the last one."""
        layers = model.language_model.model.layers
        for layer, device in zip(layers, self.layers, strict=True):
            if device != self.home:
                layer.register_forward_pre_hook(_move_rows(device, self.home))
        if self.layers[-1] != self.home:
            layers[-1].register_forward_hook(lambda _, __, rows: [row.to(self.home) for row in rows])


def _move_rows(device: str, home: str) -> Hook:
    """A hook that moves a layer's rows to its GPU, and its attention home."""

    def attend_at_home(attend: Attend) -> Attend:
        def there_and_back(layer: int, groups: Sequence[QKV]) -> list[Tensor]:
            mixed = attend(layer, [(q.to(home), k.to(home), v.to(home)) for q, k, v in groups])
            return [rows.to(device) for rows in mixed]

        return there_and_back

    def before(_: nn.Module, given: tuple[list[ExpertRows], Attend]) -> tuple[list[ExpertRows], Attend]:
        groups, attend = given
        moved = [
            ExpertRows(g.expert, g.hidden.to(device), g.cos.to(device), g.sin.to(device)) for g in groups
        ]
        return moved, attend_at_home(attend)

    return before
