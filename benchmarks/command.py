"""``restroke bench``: speed and memory of the engine on this machine, beside their targets."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

BENCHMARKS = {
    "midsize": "a mid-size model on one CPU thread, against a baseline",
    "reuse": "what the context cache saves over a trajectory and its edits",
    "gpu": "speed and memory of a 7B model; needs a GPU and eight minutes",
}
"""The benchmarks, by the module of that name, and what each measures."""

REPEATS = {"midsize": 5, "reuse": 3}
"""How often a benchmark repeats what it times, unless told otherwise. The others have no repeats."""


def add_to(commands: Any) -> None:
    """Adds ``bench`` with a subcommand for each benchmark."""
    parser = commands.add_parser(
        "bench",
        help="measure speed and memory on this machine",
        description="Measures speed and memory and prints a table with the targets beside the figures.",
    )
    benchmarks = parser.add_subparsers(title="benchmarks", metavar="BENCHMARK", required=True)
    for name, sentence in BENCHMARKS.items():
        each = benchmarks.add_parser(name, help=sentence, description=f"Measures {sentence}.")
        each.add_argument(
            "--checkpoint",
            metavar="DIR",
            type=Path,
            help="a model folder to measure (default: its own model)",
        )
        each.add_argument("--json", metavar="FILE", type=Path, help="write the figures to a JSON file too")
        if name in REPEATS:
            each.add_argument(
                "--repeats",
                metavar="N",
                type=int,
                default=REPEATS[name],
                help="times to repeat each measurement; the median counts (%(default)s)",
            )
        each.set_defaults(call=_run, benchmark=name)


def _run(arguments: argparse.Namespace) -> int:
    """Imports the benchmark, which takes seconds, and runs it. Returns the exit code."""
    return importlib.import_module(f"benchmarks.{arguments.benchmark}").run(arguments)
