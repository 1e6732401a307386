"""``python -m engine.training.data report``: what the subsets of the data hold, as a table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from engine.training.data.report import report


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m engine.training.data", description=__doc__)
    p.add_argument("command", choices=("report",))
    p.add_argument("--count", type=int, default=1000, help="lessons of every subset")
    p.add_argument("--seed", type=int, default=0)
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    if args.count < 1:
        parser().error("--count is the number of lessons to look at: give 1 or more")
    print(report(args.count, args.seed))


if __name__ == "__main__":
    main()
