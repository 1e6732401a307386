"""Rows of figures with their targets, as a table and as JSON; timing of alternatives, run alternately."""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Row:
    """One line of the table. ``target`` is in words; ``met`` says whether the figure reaches it.

    ``value`` is None for what could not be measured here, and ``remark`` says why.
    """

    what: str
    value: float | None
    unit: str = ""
    target: str = ""
    met: bool | None = None
    remark: str = ""


def at_least(what: str, value: float, bound: float, unit: str = "×", remark: str = "") -> Row:
    """A row whose figure should reach ``bound``."""
    return Row(what, value, unit, f"≥ {bound:g} {unit}", value >= bound, remark)


def at_most(what: str, value: float, bound: float, unit: str, remark: str = "") -> Row:
    """A row whose figure should not exceed ``bound``."""
    return Row(what, value, unit, f"≤ {bound:g} {unit}", value <= bound, remark)


class Clock:
    """How much of a time limit is left, in seconds."""

    def __init__(self, limit: float) -> None:
        self.end = time.monotonic() + limit

    @property
    def left(self) -> float:
        return self.end - time.monotonic()

    def allows(self, seconds: float) -> bool:
        return seconds < self.left


class Table:
    """Rows so far. A measurement that fails becomes a row that says why; the others go on."""

    def __init__(self, clock: Clock) -> None:
        self.rows: list[Row] = []
        self.clock = clock

    def add(
        self, what: str, measure: Callable[[], float], row: Callable[..., Row], *how, needs: float = 30
    ) -> float | None:
        """Measures one row, ``row(what, value, *how)``, unless fewer than ``needs`` seconds are left."""
        value = None
        if not self.clock.allows(needs):
            self.rows.append(Row(what, None, remark="no time left"))
            return None
        try:
            value = measure()
            self.rows.append(row(what, value, *how))
        except Exception as error:
            self.rows.append(Row(what, None, remark=first_line(error)))
        print(f"{what}: {'not measured' if value is None else f'{value:.4g}'}", file=sys.stderr, flush=True)
        return value


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]


def time_alternately(
    ways: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each way. All run once to warm up, then ``repeats`` times one after the other.

    ``time.process_time`` as the clock leaves out the time in which a busy machine ran something else.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            began = clock()
            way()
            if repeat:
                seconds[name].append(clock() - began)
    return {name: statistics.median(found) for name, found in seconds.items()}


def show(title: str, rows: Sequence[Row], path: Path | None) -> None:
    """Prints the table; writes it with the machine's particulars when there is a path."""
    print(f"{title}\n{machine()}\n")
    cells = [("what", "measured", "target", "", "remark")]
    words = {True: "met", False: "missed", None: ""}
    for row in rows:
        value = "not measured" if row.value is None else f"{row.value:.4g} {row.unit}".strip()
        cells.append((row.what, value, row.target, words[row.met], row.remark))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if path:
        figures = {"title": title, "machine": machine(), "rows": [asdict(row) for row in rows]}
        path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> str:
    """The machine that these figures are from."""
    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    threads = torch.get_num_threads()
    return f"{gpu}{platform.machine()}, {threads} thread{'s' * (threads > 1)}, torch {torch.__version__}"
