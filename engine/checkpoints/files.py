"""Opens a folder's files safely: safetensors and JSON only, with an error for everything else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.checkpoints.errors import CheckpointError

WEIGHT_NAMES = ("ema.safetensors", "ema_bf16.safetensors", "model.safetensors")
AUTOENCODER_NAME = "ae.safetensors"
PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
HASHED = (
    *WEIGHT_NAMES,
    AUTOENCODER_NAME,
    "llm_config.json",
    "vit_config.json",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "protocol.toml",
)


def find_weights(folder: Path) -> Path:
    """The model's weight file: the first of ``ema``, ``ema_bf16`` and ``model`` that is there."""
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder at {folder}. Give the path of a model folder.")
    for name in WEIGHT_NAMES:
        if (folder / name).is_file():
            return folder / name
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLED)
    hint = f" {pickled[0]} is a pickled file; those can run code and are never read." if pickled else ""
    raise CheckpointError(f"{folder} holds none of {', '.join(WEIGHT_NAMES)}.{hint} Nothing was loaded.")


def read_json(path: Path) -> dict[str, Any]:
    """A required JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.name} is missing from {path.parent}. Copy the whole model folder."
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}). Fetch it again.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object. Fetch it again.")
    return value


def read_optional_json(path: Path, needed: Sequence[str] = ()) -> dict[str, Any]:
    """A JSON object that may be missing or invalid (the published ``config.json`` is); then ``{}``.

    One that is invalid but names a key of ``needed`` was cut short: going on without what it said would
    make wrong pictures, so that raises ``CheckpointError``.
    """
    try:
        return read_json(path)
    except CheckpointError:
        if path.is_file() and any(f'"{key}"' in path.read_text("utf-8", "replace") for key in needed):
            raise
        return {}


class TensorFile:
    """One safetensors file: shapes from its header, tensors one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = safe_open(path, framework="pt")
            self.shapes = {k: tuple(self._file.get_slice(k).get_shape()) for k in self._file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise CheckpointError(
                f"{path.name} is missing from {path.parent}. Copy the whole model folder."
            ) from None
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} cannot be read: {_looks_like(path)} ({error}).") from None

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor as stored, in file order, one in memory at a time."""
        for name in self.shapes:
            yield name, self._file.get_tensor(name)

    def tensor(self, name: str) -> Tensor:
        return self._file.get_tensor(name)


def _looks_like(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64)
    if head[:2] == b"PK" or (head[:1] == b"\x80" and head[8:9] != b"{"):  # the latter begins a header
        return "it is a pickled file under another name; those can run code and are never read"
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the weights; run `git lfs pull`"
    return "it is cut short or not a safetensors file; fetch it again"


def folder_digest(folder: Path) -> str:
    """SHA-256 (hex) over the names and bytes of every file the engine reads."""
    total = hashlib.sha256()
    for name in HASHED:
        path = folder / name
        if path.is_file():
            with path.open("rb") as file:
                total.update(f"{name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
