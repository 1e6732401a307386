"""What the commands of this room ask for alike: the checkpoint, how it is opened, and how many work on it."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from engine.core.assets import default_checkpoint
from engine.core.settings import Settings
from engine.placement.check import add_fitting

if TYPE_CHECKING:
    from engine.inference.painter import Painter


def add_painter(p: argparse.ArgumentParser) -> None:
    add_fitting(p)
    p.add_argument("--seed", type=int, default=0)


def add_workers(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--workers",
        type=count,
        help="processes that examine side by side; as many as there are cores on a CPU, else one",
    )


def painter_of(args: argparse.Namespace) -> Painter:
    """The painter as the studio would open it.

    ``args`` then say what was chosen, so that other processes open the same however full the card is.
    """
    from engine.placement.open import load_placed
    from engine.placement.planner import fit  # torch: only once everything else is in order

    found = fit(args.checkpoint or default_checkpoint(), profile=args.profile, precision=args.precision)
    args.profile, args.precision = found.profile.name, found.profile.precision
    return load_placed(found)


def workers_of(args: argparse.Namespace, painter: Painter) -> int:
    return args.workers or ((os.cpu_count() or 1) if painter.fingerprint["device"] == "cpu" else 1)


def settings_of(painter: Painter, protocol: str) -> Settings:
    """What the checkpoint recommends, by the protocol, with nobody to wait for."""
    return Settings.from_dict({**painter.sampling, "protocol": protocol, "mode": "auto"})


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)
