"""``python -m sessions``: what can be done with a home from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sessions import doctor
from sessions.errors import StoreError
from sessions.home import default_home


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 all is well, 1 a fault was found or nothing could be checked."""
    parser = argparse.ArgumentParser(prog="python -m sessions", description="Restroke's memory.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    check = commands.add_parser(
        "doctor",
        help="check every row, hash, pointer and picture; repairs nothing",
        description="Checks every row, hash, pointer and picture of a home. Repairs nothing.",
    )
    check.add_argument(
        "--home", type=Path, help="the folder to look at (default: RESTROKE_HOME, else the usual place)"
    )
    check.set_defaults(run=_doctor)
    chosen = parser.parse_args(arguments)
    if "run" not in chosen:
        parser.print_help()
        return 0
    return chosen.run(chosen)


def _doctor(chosen: argparse.Namespace) -> int:
    home = chosen.home.expanduser().absolute() if chosen.home else default_home()
    print(f"Looking at {home}")
    try:
        checks = doctor.examine(home)
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    print(doctor.report(checks))
    return int(any(check.faults for check in checks))


if __name__ == "__main__":
    sys.exit(main())
