"""Progress of loading a model: reported by the thread that loads, read and cancelled from others.

It imports no torch, so that it can be shown before torch is there.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

SHORT = 1.0
"""Seconds; shorter loads show no bar."""


class LoadingCancelled(Exception):  # noqa: N818  an outcome, not an error
    """Loading was cancelled; nothing of the model was kept."""


class LoadProgress:
    """Bytes loaded of a total. ``on_progress`` is called after every advance, on the loading thread."""

    def __init__(self, on_progress: Callable[[LoadProgress], None] | None = None) -> None:
        self.done, self.total = 0, 0
        self.on_progress = on_progress
        self._cancelled = threading.Event()

    @property
    def share(self) -> float:
        """From 0 to 1; 0 until the total is known."""
        return self.done / self.total if self.total else 0.0

    def begin(self, total: int) -> None:
        self.done, self.total = 0, total
        self.advance(0)

    def advance(self, count: int) -> None:
        """Counts bytes as loaded. Raises :class:`LoadingCancelled` after :meth:`cancel`."""
        if self._cancelled.is_set():
            raise LoadingCancelled("Loading was stopped. Nothing of the model was kept.")
        self.done += count
        if self.on_progress:
            self.on_progress(self)

    def cancel(self) -> None:
        """Stops loading at the next piece."""
        self._cancelled.set()


@contextmanager
def terminal_bar(loading: LoadProgress) -> Iterator[None]:
    """Shows ``loading`` as a progress bar on a terminal, if it takes longer than a moment."""
    bar = tqdm(
        desc="Loading the model",
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        leave=False,
        delay=SHORT,
        disable=None,  # only on a terminal
        file=sys.stderr,
    )
    before = loading.on_progress

    def on_progress(now: LoadProgress) -> None:
        bar.total = now.total
        bar.update(now.done - bar.n)
        if before:
            before(now)

    loading.on_progress = on_progress
    try:
        yield
    finally:
        loading.on_progress = before
        bar.close()
