"""``python -m engine.training.data COMMAND``: what the lessons are like, and lessons from a model's sketches.

``report`` prints what every subset holds. ``sample`` lets a checkpoint sketch, judges what comes out and
writes lessons about it into a folder for ``python -m engine.training data --sampled``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from engine.assets import default_checkpoint
from engine.settings import Settings
from engine.training.data.report import report
from engine.training.data.sampled import keep_picture, write_lessons
from engine.training.data.self_sampling import sample_cases


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m engine.training.data", description=__doc__)
    p.add_argument("command", choices=("report", "sample"))
    p.add_argument("--count", type=int, default=1000, help="lessons of every subset, or sessions to sample")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--checkpoint", type=Path, help="who sketches; the default checkpoint if left out")
    p.add_argument("--device", default="cpu")
    p.add_argument("--out", type=Path, default=Path("runs/sampled"), help="where sample puts its lessons")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    if args.count < 1:
        parser().error("--count is the number of lessons or sessions: give 1 or more")
    if args.command == "report":
        print(report(args.count, args.seed))
        return
    from engine.inference.painter import open_painter  # torch: the report needs none

    painter = open_painter(args.checkpoint or default_checkpoint(), args.device)
    settings = Settings.from_dict(painter.sampling | {"protocol": "process", "mode": "auto"})
    keep = partial(keep_picture, args.out)
    cases = sample_cases(painter, settings, count=args.count, seed=args.seed, keep=keep)
    print(f"{write_lessons(args.out, cases, args.seed)} lessons of {args.count} sessions are in {args.out}")


if __name__ == "__main__":
    main()
