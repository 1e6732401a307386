"""What the commands of this room ask for alike: the checkpoint, how it is opened, and how many work on it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine.assets import default_checkpoint
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.inference.painter import Painter


def add_painter(p: argparse.ArgumentParser) -> None:
    p.add_argument("--checkpoint", metavar="DIR", type=Path, help="the default one if left out")
    p.add_argument("--device", default="cpu")
    p.add_argument("--precision", default="float32", choices=("float32", "bf16"))
    p.add_argument("--seed", type=int, default=0)


def add_workers(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--workers",
        type=count,
        help="processes that examine side by side; as many as there are cores on a CPU, else one",
    )


def painter_of(args: argparse.Namespace) -> Painter:
    from engine.inference.painter import open_painter  # torch: only once everything else is in order

    return open_painter(args.checkpoint or default_checkpoint(), args.device, args.precision)


def workers_of(args: argparse.Namespace) -> int:
    return args.workers or ((os.cpu_count() or 1) if args.device == "cpu" else 1)


def settings_of(painter: Painter, protocol: str) -> Settings:
    """What the checkpoint recommends, by the protocol, with nobody to wait for."""
    return Settings.from_dict({**painter.sampling, "protocol": protocol, "mode": "auto"})


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)
