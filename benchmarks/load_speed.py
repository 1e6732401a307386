"""What bounds a load, the disk or the quantiser: both are measured apart, then the load itself."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.checkpoints.files import TensorFiles, find_weights
from engine.checkpoints.quantise.base import ROWS
from engine.checkpoints.quantise.convert import FORMATS, layer_of
from engine.checkpoints.reader import Checkpoint, load_checkpoint

GIB = 2**30
LOOK_EVERY = 0.01
"""Seconds between looks at the main memory in use."""


@dataclass(frozen=True)
class LoadSpeed:
    """Bytes a second of the stored weights: from the disk alone, through the quantiser alone, and loaded.

    ``quantiser`` is None when nothing is quantised. ``peak_device`` and ``final_device`` are bytes on the
    GPU (None without one); ``peak_host`` are those that the load held of main memory beyond what was held
    before and beyond the page cache (None where the system doesn't tell).
    """

    bytes: int
    seconds: float
    disk: float
    quantiser: float | None
    peak_device: int | None
    final_device: int | None
    peak_host: int | None

    @property
    def loaded(self) -> float:
        return self.bytes / self.seconds


def measure_load(
    folder: Path, device: str, precision: str, *, from_copy: bool = False
) -> tuple[LoadSpeed, Checkpoint]:
    """Loads a checkpoint and says what held it up.

    The files are dropped from the page cache first, so the disk is really read (Linux). Raises
    ``CheckpointError`` as a load does, ``ValueError`` when a quantised copy is there and ``from_copy`` is
    False: then there would be no quantiser to measure.
    """
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    quantiser = _quantiser(device, precision) if precision in FORMATS else None
    forget(folder)
    with HostPeak() as host:
        checkpoint = load_checkpoint(folder, device, precision)
    report = checkpoint.report
    if report.from_copy != from_copy:
        raise ValueError(f"{folder} {'has' if report.from_copy else 'lacks'} a quantised copy of this form")
    return LoadSpeed(
        bytes=report.bytes,
        seconds=report.seconds,
        disk=report.bytes / max(report.disk_seconds, 1e-9),
        quantiser=None if from_copy else quantiser,
        peak_device=torch.cuda.max_memory_allocated(device) if on_gpu else None,
        final_device=torch.cuda.memory_allocated(device) if on_gpu else None,
        peak_host=host.bytes,
    ), checkpoint


def forget(folder: Path) -> None:
    """Asks the system to drop a folder's weights from its page cache, where it can be asked."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in TensorFiles(find_weights(folder)).paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _quantiser(device: str, precision: str, inner: int = 3584, outer: int = 512) -> float:
    """Bytes of bfloat16 weights a second that are quantised on ``device``, the copy there included."""
    rows = torch.randn(outer, inner).to(torch.bfloat16)
    layer = layer_of(precision)(inner, outer, False)
    dtype = torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16
    layer.allocate(device, dtype)

    def once() -> None:
        for first in range(0, outer, 16 * ROWS):
            layer.take(first, rows[first : first + 16 * ROWS].to(device).to(dtype))
        layer.finish()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)

    once()
    return rows.nbytes / min(_seconds(once) for _ in range(2))


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


class HostPeak:
    """Watches the main memory of this process that is no copy of a file, while a block runs.

    ``bytes`` is the most of it above where it began, None where ``/proc`` has no such figure.
    """

    def __enter__(self) -> HostPeak:
        self._began = self._most = anonymous_bytes()
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._watch.join()
        self._note()

    @property
    def bytes(self) -> int | None:
        return None if self._began is None or self._most is None else self._most - self._began

    def _look(self) -> None:
        while not self._done.wait(LOOK_EVERY):
            self._note()

    def _note(self) -> None:
        now = anonymous_bytes()
        if self._most is not None and now is not None:
            self._most = max(self._most, now)


def anonymous_bytes() -> int | None:
    """What this process holds of main memory and could not read again from a file (Linux)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), None)
