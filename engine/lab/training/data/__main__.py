"""``python -m engine.lab.training.data COMMAND``: what the lessons are like, and lessons from a model's sketches.

``report`` prints what every subset holds, with ``--sampled`` that of a folder of ``sample`` too.
``sample`` lets a checkpoint sketch, judges what comes out and writes lessons about it into a folder for
``python -m engine.lab.training data --sampled``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from engine.core.assets import default_checkpoint
from engine.lab.training.data.report import report


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m engine.lab.training.data", description=__doc__.replace("``", "")
    )
    p.add_argument("command", choices=("report", "sample"))
    p.add_argument("--count", type=int, default=1000, help="lessons of every subset, or sessions to sample")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--checkpoint", type=Path, help="who sketches; the default checkpoint if left out")
    p.add_argument("--device", default="cpu")
    p.add_argument("--sampled", type=Path, help="report: a folder of lessons from a model's own sketches")
    p.add_argument("--out", type=Path, default=Path("runs/sampled"), help="where sample puts its lessons")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    if args.count < 1:
        parser().error("--count is the number of lessons or sessions: give 1 or more")
    if args.command == "report":
        print(report(args.count, args.seed, args.sampled))
        return
    from engine.lab.training.sample_source import sample_lessons  # torch: the report needs none

    checkpoint = args.checkpoint or default_checkpoint()
    found = sample_lessons(checkpoint, args.out, count=args.count, seed=args.seed, device=args.device)
    print(f"{found} lessons of {args.count} sessions are in {args.out}")


if __name__ == "__main__":
    main()
