"""Opens a folder's files safely: safetensors and JSON only, with an error for everything else.

It reads names, shapes and offsets; :mod:`engine.checkpoints.stream` reads the weights themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.checkpoints.errors import FETCH_AGAIN, CheckpointError, truncate_list

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


SHARD = re.compile(r"(?:ema|ema_bf16|model)-(\d{5})-of-(\d{5})\.safetensors")
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "U8": torch.uint8,
    "I8": torch.int8,
}
"""What a stored tensor may be, by its name in the file."""


def find_weights(folder: Path) -> list[Path]:
    """The model's weights: the first of ``ema``, ``ema_bf16`` and ``model`` that is there, or all its shards.

    Raises ``CheckpointError`` when there are none, or not every shard of a set.
    """
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder at {folder}. Give the path of a model folder.")
    for name in WEIGHT_NAMES:
        if (folder / name).is_file():
            return [folder / name]
    shards = sorted(path for path in folder.iterdir() if SHARD.fullmatch(path.name))
    if shards:
        return _all_shards(shards)
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLED)
    hint = f" {pickled[0]} is a pickled file; those can run code and are never read." if pickled else ""
    raise CheckpointError(
        f"{folder} holds none of {', '.join(WEIGHT_NAMES)}, nor numbered shards of one.{hint} Nothing was "
        "loaded. Give a folder in the public layout, with its weights as safetensors."
    )


def _all_shards(shards: list[Path]) -> list[Path]:
    """The shards in order. Raises ``CheckpointError`` when one is missing."""
    first = shards[0].name
    match = SHARD.fullmatch(first)
    assert match is not None, f"{first} is no shard"
    count, stem = int(match[2]), first.split("-")[0]
    wanted = [f"{stem}-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]
    there = {path.name for path in shards}
    missing = [name for name in wanted if name not in there]
    if missing:
        raise CheckpointError(
            f"{shards[0].parent} lacks {truncate_list(missing)} of its {count} shards. Fetch what is missing."
        )
    return [shards[0].parent / name for name in wanted]


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


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor is stored: its file, dtype and shape, and where it begins and ends there, in bytes."""

    path: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


class TensorFiles:
    """One safetensors file or the shards of a set, as one: what is stored, by name, in file order.

    The files are checked while they are opened. Raises ``CheckpointError`` naming the one that is missing,
    cut short, pickled, or of another kind.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        self.stored: dict[str, StoredTensor] = {}
        for path in self.paths:
            found = _stored(path)
            twice = sorted(self.stored.keys() & found.keys())
            if twice:
                earlier = self.stored[twice[0]].path.name
                raise CheckpointError(
                    f"{path} holds {truncate_list(twice)}, which {earlier} holds too. {FETCH_AGAIN}"
                )
            self.stored |= found

    @property
    def name(self) -> str:
        """What to call them in a sentence."""
        return self.paths[0].name + (" and its other shards" if len(self.paths) > 1 else "")

    def shard_of(self, name: str) -> str:
        """A tensor's file, to go behind its name in a sentence; "" when there is only one file."""
        return f" (in {self.stored[name].path.name})" if len(self.paths) > 1 else ""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: stored.shape for name, stored in self.stored.items()}

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(path.stat().st_size for path in self.paths)

    def tensor(self, name: str) -> Tensor:
        """One tensor as stored, whole."""
        with safe_open(self.stored[name].path, framework="pt") as file:
            return file.get_tensor(name)


def _stored(path: Path) -> dict[str, StoredTensor]:
    try:
        with safe_open(path, framework="pt"):  # the library's own checks: the header, and that nothing is cut
            pass
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        found = {
            name: StoredTensor(
                path,
                DTYPES[entry["dtype"]],
                tuple(entry["shape"]),
                *(8 + length + at for at in entry["data_offsets"]),
            )
            for name, entry in header.items()
        }
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.name} is missing from {path.parent}. Copy the whole model folder."
        ) from None
    except KeyError as error:
        raise CheckpointError(
            f"{path} holds numbers of the kind {error}; only {truncate_list(list(DTYPES))} are read. Nothing "
            "was loaded. Fetch or convert the weights in one of these."
        ) from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {_looks_like(path)} ({error}).") from None
    return dict(sorted(found.items(), key=lambda item: item[1].begin))


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata in a safetensors header. Raises ``CheckpointError`` as :class:`TensorFiles`."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {_looks_like(path)} ({error}).") from None


def _looks_like(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return "the system does not let it be opened; see whose file it is, or fetch it again"
    if head[:2] == b"PK" or (head[:1] == b"\x80" and head[8:9] != b"{"):  # the latter begins a header
        return (
            "it is a pickled file under another name; those can run code and are never read; fetch the "
            "weights as safetensors"
        )
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the weights; run `git lfs pull`"
    return "it is cut short or not a safetensors file; fetch it again"


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path, known: Mapping[str, str]) -> str:
    """SHA-256 (hex) over the names and bytes of every file the engine reads.

    ``known`` are the digests of the weight files, by name, made while they were read.
    """
    names = [*(name for name in known if name not in HASHED), *HASHED]
    total = hashlib.sha256()
    for name in names:
        path = folder / name
        if name in known or path.is_file():
            total.update(f"{name}:{known.get(name) or file_digest(path)}\n".encode())
    return total.hexdigest()
