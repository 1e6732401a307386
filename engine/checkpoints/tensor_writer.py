"""Writes one safetensors file tensor by tensor, in the memory of the largest tensor."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoints.files import DTYPES
from engine.core.atomic_write import atomic_write

NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_tensors(
    path: Path,
    outline: Mapping[str, tuple[torch.dtype, tuple[int, ...]]],
    tensors: Iterator[tuple[str, Tensor]],
    metadata: Mapping[str, str],
) -> None:
    """Writes ``tensors``, which come in the order of ``outline``, to ``path``, atomically.

    Raises ``ValueError`` when one is not what ``outline`` says of it, ``OSError`` when the disk is full.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    at = 0
    for name, (dtype, shape) in outline.items():
        end = at + dtype.itemsize * math.prod(shape)
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [at, end]}
        at = end
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)
    with atomic_write(path) as file:
        file.write(len(words).to_bytes(8, "little") + words)
        for (name, tensor), (wanted, form) in zip(tensors, outline.items(), strict=True):
            if (name, tensor.dtype, tuple(tensor.shape)) != (wanted, *form):
                raise ValueError(f"{name} is {tensor.dtype} {list(tensor.shape)}, not what was announced")
            flat = tensor.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8)
            file.write(flat.numpy().data)
