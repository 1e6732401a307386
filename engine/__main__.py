"""The engine's command line: ``python -m engine paint "PROMPT"``, ``check`` and ``quantise``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from engine.placement import check
from engine.runs import paint


def main(arguments: Sequence[str] | None = None, *, program: str = "python -m engine") -> int:
    """Reads the arguments and runs the command. Returns the exit status: 0 done, 1 failed, 130 stopped."""
    parser = argparse.ArgumentParser(prog=program, description="The painter, without a browser.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    paint.add_to(commands)
    check.add_to(commands)
    chosen = parser.parse_args(arguments)
    return chosen.call(chosen)


if __name__ == "__main__":
    sys.exit(main())
