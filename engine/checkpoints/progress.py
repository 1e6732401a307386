"""How far the loading of a model has come: told by the thread that loads, read and cancelled from others.

No torch here, so that whoever shows it need not wait for that.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

SHORT = 1.0
"""Seconds; a load that is over sooner shows no bar."""


class LoadingCancelled(Exception):  # noqa: N818  an outcome, not an error
    """Somebody asked to stop; nothing of the model was kept."""


class Loading:
    """Bytes done of a total. ``heard`` is called after every advance, on the loading thread."""

    def __init__(self, heard: Callable[[Loading], None] | None = None) -> None:
        self.done, self.total = 0, 0
        self.heard = heard
        self._cancelled = threading.Event()

    @property
    def share(self) -> float:
        """From 0 to 1; 0 until the total is known."""
        return self.done / self.total if self.total else 0.0

    def begin(self, total: int) -> None:
        self.done, self.total = 0, total
        self.advance(0)

    def advance(self, count: int) -> None:
        """Raises :class:`LoadingCancelled` once somebody asked to stop."""
        if self._cancelled.is_set():
            raise LoadingCancelled("Loading was stopped. Nothing of the model was kept.")
        self.done += count
        if self.heard:
            self.heard(self)

    def cancel(self) -> None:
        """Stops the load at its next piece."""
        self._cancelled.set()


@contextmanager
def terminal_bar(loading: Loading) -> Iterator[None]:
    """Shows ``loading`` as a bar on a terminal, if it takes longer than a moment."""
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
    before = loading.heard

    def heard(now: Loading) -> None:
        bar.total = now.total
        bar.update(now.done - bar.n)
        if before:
            before(now)

    loading.heard = heard
    try:
        yield
    finally:
        loading.heard = before
        bar.close()
