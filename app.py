"""Start here: the command line of Restroke. Without a command it opens the studio.

    restroke [--checkpoint DIR] [--profile NAME] [--host HOST] [--port PORT] [--home DIR]
    restroke COMMAND ...    restroke --help lists the commands

Every command is a module with a function ``add_to(commands)``, which adds its parser and sets ``call`` to
what runs it: a function of the parsed arguments that returns the exit code. A command is imported only when
it is asked for, because torch and Gradio take seconds.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.placement.check import add_placement_options

if TYPE_CHECKING:
    from engine.runs.opened_model import OpenedModel

DEFAULT_PORT = 7860
STOPPED = 130
"""The exit code after Ctrl-C."""

COMMANDS = {
    "paint": ("engine.runs.paint", "make one picture without a browser"),
    "check": ("engine.placement.check", "check whether and how a model runs on this machine"),
    "quantise": ("engine.placement.check", "save a quantised copy of a model, which loads faster"),
    "doctor": ("sessions.doctor", "check saved sessions; change nothing"),
    "train": ("engine.lab.training.command", "train a storybook model, or fine-tune a checkpoint"),
    "evaluate": ("engine.lab.evaluation.command", "measure a storybook checkpoint"),
    "parity": ("engine.lab.parity.command", "compare with recordings of the public reference model"),
    "bench": ("benchmarks.command", "measure speed and memory (in a checkout only)"),
}
"""The module of each command, and what it does in a few words."""


def main(argv: Sequence[str] | None = None, *, open_model: Callable[[], OpenedModel] | None = None) -> int:
    """Runs a command, or the studio until Ctrl-C, and returns the exit code.

    ``open_model`` takes the place of the studio's checkpoint: for tests, and for painters of another kind.
    """
    escape_what_cannot_be_written(sys.stdout, sys.stderr)
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0] in COMMANDS:
        return _run_command(given)
    args = options(given)
    from studio.launch import launch

    return launch(args, open_model)


def options(argv: Sequence[str]) -> argparse.Namespace:
    """The studio's options; Gradio's own environment variables give the defaults."""
    parser = argparse.ArgumentParser(
        prog="restroke",
        usage="%(prog)s [options]\n       %(prog)s COMMAND [options]",
        description="Make a picture together with a model, step by step. "
        "Without a command, the studio opens.",
        epilog="restroke COMMAND --help says more about a command.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, (_, sentence) in COMMANDS.items():
        commands.add_parser(name, help=sentence, add_help=False)
    add_placement_options(parser)
    parser.add_argument(
        "--host",
        default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="address to listen on (%(default)s)",
    )
    parser.add_argument(
        "--port",
        metavar="N",
        type=int,
        default=os.environ.get("GRADIO_SERVER_PORT", DEFAULT_PORT),
        help="port to listen on (%(default)s)",
    )
    parser.add_argument(
        "--home",
        metavar="DIR",
        type=Path,
        help="where sessions are kept (default: RESTROKE_HOME or your data folder)",
    )
    args, left = parser.parse_known_args(argv)
    if args.command:
        parser.error(f"the command comes first: restroke {args.command} [options]")
    if left:
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    return args


def escape_what_cannot_be_written(*streams: Any) -> None:
    """A character that a stream's encoding lacks is written as an escape such as ``\\u201c``.

    The encoding stays as it is, redirected too: it is the one that the console, the locale or
    ``PYTHONIOENCODING`` asks for, and by which the output will be read.
    """
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):  # there is none without a console, and tests have their own
            stream.reconfigure(errors="backslashreplace")


def _run_command(given: Sequence[str]) -> int:
    """Runs the command that ``given`` begins with."""
    name = given[0]
    module = COMMANDS[name][0]
    if module.startswith("benchmarks."):
        checkout = Path(__file__).resolve().parent
        if not (checkout / "pyproject.toml").is_file():
            print(
                "restroke bench needs a checkout of the repository: the installed package has no benchmarks.",
                file=sys.stderr,
            )
            return 2
        sys.path.insert(0, str(checkout))
    parser = argparse.ArgumentParser(prog="restroke")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    try:
        importlib.import_module(module).add_to(commands)
        args = parser.parse_args(given)
        return args.call(args)
    except KeyboardInterrupt:
        print(f"restroke {name}: stopped", file=sys.stderr)
        return STOPPED


if __name__ == "__main__":
    sys.exit(main())
