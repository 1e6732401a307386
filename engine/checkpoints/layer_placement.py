"""Which layer of a model lies on which GPU, and how rows travel between them.

Hidden rows travel at the borders. Contexts lie on the first GPU, and so attention is done there: a layer
on another GPU sends its heads over and gets the mixed rows back, which is some tens of megabytes a layer
for a large picture. Who decides the placement is :mod:`engine.placement.device_map`.
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
        """Where a tensor of the model belongs."""
        if not name.startswith(LAYERS + "."):
            return self.home
        return self.layers[int(name[len(LAYERS) + 1 :].split(".")[0])]

    def connect(self, model: Bagel) -> None:
        """Lets the rows travel: to each layer's GPU, and home from the last one."""
        layers = model.language_model.model.layers
        for layer, device in zip(layers, self.layers, strict=True):
            if device != self.home:
                layer.register_forward_pre_hook(_travel(device, self.home))
        if self.layers[-1] != self.home:
            layers[-1].register_forward_hook(lambda _, __, rows: [row.to(self.home) for row in rows])


def _travel(device: str, home: str) -> Hook:
    """A hook that brings a layer's rows to its GPU, and its attention home."""

    def attend_at_home(attend: Attend) -> Attend:
        def there_and_back(layer: int, groups: Sequence[QKV]) -> list[Tensor]:
            mixed = attend(layer, [tuple(part.to(home) for part in heads) for heads in groups])
            return [rows.to(device) for rows in mixed]

        return there_and_back

    def before(_: nn.Module, given: tuple[list[ExpertRows], Attend]) -> tuple[list[ExpertRows], Attend]:
        groups, attend = given
        moved = [ExpertRows(g.expert, g.hidden.to(device), g.cos.to(device), g.sin.to(device)) for g in groups]
        return moved, attend_at_home(attend)

    return before
