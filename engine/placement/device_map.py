"""Device map: the layers split over several GPUs by accelerate, everything else on the first of them.

Nothing goes to a disk or the host.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.layer_placement import LAYERS, LayerPlacement
from engine.checkpoints.precision import compute_dtype
from engine.checkpoints.reader import build_on_meta, dtype_of_autoencoder, is_on_host
from engine.checkpoints.sizes import LM_HEAD
from engine.checkpoints.validated_folder import ValidatedFolder
from engine.model.bagel import Bagel


def place_layers(
    folder: ValidatedFolder,
    precision: str,
    room: Mapping[str, int],
    *,
    head: bool,
    embeddings_on_host: bool,
    tile: int | None,
) -> LayerPlacement:
    """Which GPU each layer of a checkpoint goes to; ``room`` has the bytes of each, the first GPU first.

    Raises ``CheckpointError`` when the layers don't fit, however much is free in all.
    """
    main_device, *_ = room
    model, autoencoder = build_on_meta(
        folder, precision, head=head, embeddings_on_host=embeddings_on_host, tile=tile
    )
    itemsize = dtype_of_autoencoder(precision, main_device).itemsize
    reserved = itemsize * sum(value.numel() for value in autoencoder.state_dict().values())
    return split_layers(model, room, compute_dtype(precision, main_device), reserved=reserved)


def split_layers(
    model: Bagel, room: Mapping[str, int], dtype: torch.dtype, *, reserved: int = 0
) -> LayerPlacement:
    """Fills the GPUs of ``room`` (bytes each, in order) with the layers of a model on the meta device.

    ``reserved`` are bytes of the first GPU that something else will need. Raises ``CheckpointError`` when
    they don't fit.
    """
    from accelerate import infer_auto_device_map  # takes a second, and only this needs it

    main_device, *_ = room
    layers = model.language_model.model.layers
    beside = reserved + sum(
        _bytes(value, dtype)
        for name, value in _own_tensors(model).items()
        if not name.startswith(LAYERS + ".") and not is_on_host(model, name)
    )
    limits: dict[int | str, int] = dict(enumerate(room.values()))
    limits[0] = max(0, limits[0] - beside)
    limits |= {"mps": 0, "cpu": 0, "disk": 0}
    # accelerate keeps room for one more layer on its main device, to bring back what it offloads. Nothing
    # is offloaded here: with an "mps" named, that is the main device, and no GPU loses room.
    found = infer_auto_device_map(
        layers,
        limits,
        no_split_module_classes=[type(layers[0]).__name__],
        dtype=dtype,
    )
    names = list(room)
    devices = [found.get(str(number), found.get("", "disk")) for number in range(len(layers))]
    if beside > room[main_device] or not all(isinstance(device, int) for device in devices):
        sizes = ", ".join(f"{size / 2**30:.1f}" for size in room.values())
        raise CheckpointError(
            f"The model doesn't fit on these GPUs ({sizes} GiB free). Choose a smaller profile. Restroke "
            "puts nothing on a disk or the CPU unless you ask for it."
        )
    return LayerPlacement(main_device, tuple(names[device] for device in devices))


def _own_tensors(model: Bagel) -> dict[str, Tensor]:
    """The model's tensors by name; an LM head that is the embedding table itself counts once."""
    tied = model.config.language.tie_word_embeddings
    return {name: value for name, value in model.state_dict().items() if not (tied and name == LM_HEAD)}


def _bytes(value: Tensor, dtype: torch.dtype) -> int:
    """Size once loaded: floats get ``dtype``, quantised weights stay as they are."""
    size = dtype.itemsize if value.dtype == torch.float32 else value.dtype.itemsize
    return value.numel() * size
