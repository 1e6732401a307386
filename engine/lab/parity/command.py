"""``restroke parity DIR``: every case recorded in a folder, as a table. Exit status 1 if any fails."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from engine.checkpoints.errors import CheckpointError


def add_to(commands: Any) -> None:
    """Adds ``parity`` to the subcommands of ``restroke``."""
    parser = commands.add_parser(
        "parity",
        help="compare with recordings of the public reference model",
        description="Compares this engine with recorded outputs of the public reference model. The exit "
        "status is 1 if any case fails.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="holds ckpt/, inputs/ and golden/")
    for kind in ("vae", "vit"):
        parser.add_argument(
            f"--{kind}-transform",
            nargs=3,
            type=int,
            metavar=("MAX", "MIN", "STRIDE"),
            help=f"{kind.upper()} transform, when it can't be inferred",
        )
    parser.add_argument("--verbose", action="store_true", help="print every check")
    parser.set_defaults(call=compare)


def compare(options: argparse.Namespace) -> int:
    """Prints the table. Returns the exit status."""
    import torch

    from engine.lab.parity.cases import line, run_folder, word

    torch.set_num_threads(1)
    try:
        rows = run_folder(options.folder, options.vae_transform, options.vit_transform)
    except (CheckpointError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:  # recordings that every case needs may be broken in any way
        print(f"{options.folder} can't be run: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"{'case':<24} {'max error':>10} {'threshold':>10}  result")
    for row in rows:
        print(line(row))
        for check in row.checks if options.verbose else ():
            print(f"    {check.error:>10.2e} {check.threshold:>10.0e}  {word(check.ok):<6} {check.name}")
    failed = sum(not row.ok for row in rows)
    print(f"{len(rows)} cases, {failed} failed")
    return 1 if failed else 0
