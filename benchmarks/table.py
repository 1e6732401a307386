"""Rows of figures with their targets, printed as a table and written as JSON; fair timing in turns."""

from __future__ import annotations

import argparse
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
    """One line. ``target`` is in words; ``met`` says whether the figure reaches it, None when it has none.

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
    """The time that is left of the limit."""

    def __init__(self, limit: float) -> None:
        self.end = time.monotonic() + limit

    @property
    def left(self) -> float:
        return self.end - time.monotonic()

    def allows(self, seconds: float) -> bool:
        return seconds < self.left


class Table:
    """Rows so far. What fails becomes a row that says why, and the others stand."""

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


def in_turns(
    ways: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each way. All are run once to warm up, then again and again one after the other.

    ``time.process_time`` as the clock leaves out the time in which a busy machine ran something else.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            began = clock()
            way()
            if turn:
                seconds[name].append(clock() - began)
    return {name: statistics.median(found) for name, found in seconds.items()}


def options(name: str, sentence: str, repeats: int | None = None) -> argparse.ArgumentParser:
    """The command line that all benchmarks share; ``repeats`` is the usual number of turns, if it has any."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=sentence)
    parser.add_argument("--checkpoint", type=Path, help="a model folder to measure instead")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    if repeats:
        sentence = "turns that are measured; the median counts"
        parser.add_argument("--repeats", type=int, default=repeats, help=sentence)
    return parser


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
    """What these figures hold for."""
    card = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    threads = torch.get_num_threads()
    return f"{card}{platform.machine()}, {threads} thread{'s' * (threads > 1)}, torch {torch.__version__}"
