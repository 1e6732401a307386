"""The laboratory's commands as the command line runs them."""

from __future__ import annotations

import argparse
from typing import Any

from engine.lab.evaluation import command as evaluation
from engine.lab.parity import command as parity
from engine.lab.training import command as training


def restroke(*words: Any) -> int:
    """Runs ``restroke WORDS`` and returns its exit status."""
    args = parsed(*words)
    return args.call(args)


def parsed(*words: Any) -> argparse.Namespace:
    """What ``restroke WORDS`` asks for, without doing it."""
    parser = argparse.ArgumentParser(prog="restroke")
    commands = parser.add_subparsers(required=True)
    for room in (evaluation, parity, training):
        room.add_to(commands)
    return parser.parse_args([str(word) for word in words])
