"""What ``restroke evaluate`` and its subcommands share: options, opening the model, how a command ends."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.checkpoints.errors import CheckpointError
from engine.core.assets import default_checkpoint
from engine.core.settings import Settings
from engine.placement.check import add_placement_options

if TYPE_CHECKING:
    from engine.runs.opened_model import OpenedModel


STOPPED = 130


def set_call(p: argparse.ArgumentParser, call: Callable[[argparse.Namespace], int]) -> None:
    """Makes ``call`` what ``p`` runs; ``args.spelled`` is then the command line, for records.

    The exit status is that of ``call``, or 1 for what a sentence can explain and 130 for an interrupt.
    """

    def guarded(args: argparse.Namespace) -> int:
        args.spelled = spelled(p, args)
        try:
            return call(args)
        except (CheckpointError, ValueError, OSError) as error:
            print(f"evaluate: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(
                "evaluate: stopped; if results go into a file, the same command continues from here",
                file=sys.stderr,
            )
            return STOPPED

    p.set_defaults(call=guarded)


def spelled(p: argparse.ArgumentParser, args: argparse.Namespace) -> str:
    """The command line of these arguments, for records; options at their defaults are left out."""
    words = p.prog.split()
    for action in p._actions:  # argparse has no public list of them
        value = getattr(args, action.dest, action.default)
        if value is not None and value != action.default and action.nargs != argparse.PARSER:
            words += [*action.option_strings[:1], str(value)]
    return shlex.join(words)


def add_model(p: argparse.ArgumentParser) -> None:
    add_placement_options(p)
    p.add_argument("--seed", metavar="N", type=int, default=0)


def add_workers(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--workers",
        metavar="N",
        type=count,
        help="processes that work side by side (default: one per core on a CPU, else one)",
    )


def model_of(args: argparse.Namespace) -> OpenedModel:
    """The model as the studio would open it.

    ``args`` then say what was chosen, so that other processes open the same however full the GPU is.
    """
    from engine.placement.planner import choose_placement  # torch: only once everything else is in order
    from engine.runs.opened_model import open_placed

    found = choose_placement(
        args.checkpoint or default_checkpoint(), profile=args.profile, precision=args.precision
    )
    args.profile, args.precision = found.profile.name, found.profile.precision
    return open_placed(found)


def workers_of(args: argparse.Namespace, model: OpenedModel) -> int:
    return args.workers or ((os.cpu_count() or 1) if model.fingerprint["device"] == "cpu" else 1)


def settings_of(model: OpenedModel, protocol: str) -> Settings:
    """What the checkpoint recommends, by the protocol, with nobody to wait for."""
    return model.settings.replace(protocol=protocol, mode="auto")


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)
