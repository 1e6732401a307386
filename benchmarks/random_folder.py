"""Folders of random weights in the public layout, written a shard at a time, for measuring load and speed.

Neither depends on the values. A 7B-shaped folder is 29 GB and needs no more memory than its largest tensor.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.checkpoints.tensor_writer import write_tensors
from engine.checkpoints.tokenizer import FILES
from engine.checkpoints.writer import bagel_json, llm_json, vit_json
from engine.core.atomic_write import write_json
from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig

SPREAD = 0.02
POOL = 2**20
"""Random values that are made once and repeated: drawing billions would take longer than writing them."""


def write_random_folder(
    folder: Path,
    config: BagelConfig,
    autoencoder: AutoencoderConfig,
    tokenizer_files: Path,
    *,
    shards: int = 1,
) -> Path:
    """Writes a loadable checkpoint of random bfloat16 weights (the autoencoder's are float32).

    ``tokenizer_files`` is a folder whose tokenizer has no more tokens than the vocabulary rows. One shard
    is one ``ema.safetensors``; more are numbered. Raises ``OSError`` when the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.device("meta"):
        model, pixels = Bagel(config), Autoencoder(autoencoder)
    shapes = _shapes(model)
    for number, names in enumerate(_parts(shapes, shards), 1):
        name = "ema.safetensors" if shards == 1 else f"ema-{number:05}-of-{shards:05}.safetensors"
        _write(folder / name, {key: shapes[key] for key in names}, torch.bfloat16)
    _write(folder / "ae.safetensors", _shapes(pixels), torch.float32)
    write_json(folder / "llm_config.json", llm_json(config))
    write_json(folder / "vit_config.json", vit_json(config))
    write_json(folder / "config.json", bagel_json(config, autoencoder, {}))
    for name in FILES:
        if (tokenizer_files / name).is_file():
            shutil.copyfile(tokenizer_files / name, folder / name)
    return folder


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def _parts(shapes: dict[str, tuple[int, ...]], count: int) -> list[list[str]]:
    """The names in ``count`` runs of about as many weights each."""
    sizes = {name: torch.Size(shape).numel() for name, shape in shapes.items()}
    parts: list[list[str]] = [[] for _ in range(count)]
    total, at = sum(sizes.values()), 0
    for name, size in sizes.items():
        parts[min(count - 1, at * count // total)].append(name)
        at += size
    return parts


def _write(path: Path, shapes: dict[str, tuple[int, ...]], dtype: torch.dtype) -> None:
    outline = {name: (dtype, shape) for name, shape in shapes.items()}
    pool = (torch.randn(POOL, generator=torch.Generator().manual_seed(0)) * SPREAD).to(dtype)

    def tensors() -> Iterator[tuple[str, Tensor]]:
        for name, shape in shapes.items():
            if len(shape) < 2 and name.endswith("weight"):  # a norm: about 1
                yield name, torch.ones(shape, dtype=dtype)
                continue
            count = torch.Size(shape).numel()
            yield name, pool.repeat(-(-count // POOL))[:count].reshape(shape)

    write_tensors(path, outline, tensors(), {"format": "pt"})
