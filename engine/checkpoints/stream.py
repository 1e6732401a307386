"""Reads weights from disk chunk by chunk, ahead of their use, and hashes them on the way.

A reading thread keeps a few chunks ahead and a hashing thread follows it, so that neither waits for the
GPU. Memory is bounded by :data:`AHEAD` chunks of :data:`CHUNK` bytes, whatever the size of the file.
"""

from __future__ import annotations

import hashlib
import math
import os
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.files import StoredTensor, TensorFiles
from engine.checkpoints.quantise.base import ROWS

CHUNK = 32 * 2**20
AHEAD = 4


@dataclass(frozen=True)
class Chunk:
    """Rows of a tensor as stored, from row ``first`` on; ``last`` if the tensor ends with them."""

    name: str
    first: int
    rows: Tensor
    last: bool


@dataclass
class ReadStats:
    """What a stream found out while it was read: seconds spent on the disk, and each file's SHA-256 (hex)."""

    seconds: float = 0.0
    digests: dict[str, str] = field(default_factory=dict)


def stream(files: TensorFiles, stats: ReadStats) -> Iterator[Chunk]:
    """Every tensor of ``files`` in the order they lie on disk. Stop iterating to stop reading.

    Raises ``CheckpointError`` when a file gets shorter meanwhile, or the disk fails.
    """
    chunks: queue.Queue[Chunk | Exception | None] = queue.Queue(AHEAD)
    stop = threading.Event()

    def put(item: Chunk | Exception | None) -> bool:
        """Waits for room; False when nobody wants more."""
        while not stop.is_set():
            try:
                chunks.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for path in files.paths:
                for chunk in _read_file(path, files, stats):
                    if not put(chunk):
                        return
            put(None)
        except Exception as error:  # handed to whoever iterates
            put(error)

    thread = threading.Thread(target=read, name="restroke-reader", daemon=True)
    thread.start()
    try:
        while (item := chunks.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


def _read_file(path: Path, files: TensorFiles, stats: ReadStats) -> Iterator[Chunk]:
    """The chunks of one file; its digest is known once the last one is out."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file, ThreadPoolExecutor(1, "restroke-hasher") as hasher:
        pending, at = None, 0
        here = [(name, stored) for name, stored in files.stored.items() if stored.path == path]
        for name, stored in here:
            if stored.begin > at:  # the header
                digest.update(_bytes(file, at, stored.begin, stats).numpy().data)
            for first, count in _slices(stored):
                row = (stored.end - stored.begin) // max(stored.shape[0], 1) if stored.shape else 0
                begin = stored.begin + first * row
                end = begin + count * row if stored.shape else stored.end
                raw = _bytes(file, begin, end, stats)
                if pending:
                    pending.result()
                pending = hasher.submit(digest.update, raw.numpy().data)
                shape = (count, *stored.shape[1:]) if stored.shape else ()
                last = not stored.shape or first + count == stored.shape[0]
                yield Chunk(name, first, raw.view(stored.dtype).reshape(shape), last)
            at = stored.end
        if pending:
            pending.result()
        digest.update(_bytes(file, at, path.stat().st_size, stats).numpy().data)
    stats.digests[path.name] = digest.hexdigest()


def _slices(stored: StoredTensor) -> Iterator[tuple[int, int]]:
    """(first row, rows) of the chunks of a tensor."""
    if not stored.shape:
        yield 0, 1
        return
    count = stored.shape[0]
    row = math.prod(stored.shape[1:]) * stored.dtype.itemsize
    step = max(ROWS, CHUNK // max(row, 1) // ROWS * ROWS)
    for first in range(0, max(count, 1), step):
        yield first, min(step, count - first)


def _bytes(file: FileIO, begin: int, end: int, stats: ReadStats) -> Tensor:
    """Bytes [end - begin] of an open file."""
    started = time.perf_counter()
    raw = torch.empty(end - begin, dtype=torch.uint8)
    view, at = raw.numpy().data, 0
    while at < len(view):
        try:
            got = os.preadv(file.fileno(), [view[at:]], begin + at)
        except OSError as error:
            raise CheckpointError(
                f"{file.name} cannot be read: the disk says {error.strerror}. Try again; if it stays so, "
                "fetch the file onto another disk."
            ) from error
        if not got:
            raise CheckpointError(f"{file.name} was cut short while it was being read. Fetch it again.")
        at += got
    stats.seconds += time.perf_counter() - started
    return raw
