"""``python -m engine.evaluation``: measures a storybook checkpoint by the judge, suite by suite.

``geneval`` and ``wise`` draw the pictures of two public benchmarks in place of that, for their own scorers.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine import protocols
from engine.assets import default_checkpoint
from engine.checkpoints.errors import CheckpointError
from engine.evaluation import public_benchmarks
from engine.evaluation.suites import SUITES, Wish, run_floors, run_suite
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.inference.painter import Painter

STOPPED = 130
PROGRAM = "python -m engine.evaluation"


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments ask for. Returns the exit status: 0 done, 1 failed, 130 stopped."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given and given[0] in public_benchmarks.RUNNERS:
            return _draw_benchmark(given)
        return _examine(given)
    except (ValueError, OSError, CheckpointError) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("evaluation: stopped; with --json or --out the same command goes on from here", file=sys.stderr)
        return STOPPED


def _examine(given: list[str]) -> int:
    p = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    suites = "; ".join(f"{suite.name}: {suite.sentence}" for suite in SUITES.values())
    p.add_argument(
        "--suite",
        choices=("floors", *SUITES),
        default="floors",
        help=f"floors (the default): drawing, form and edits in short; {suites}",
    )
    p.add_argument("--protocol", choices=protocols.NAMES, default="process", help="not for floors")
    p.add_argument("--prompts", type=_count, help="how many, in the suite's own terms; each has its default")
    p.add_argument("--images", type=_count, default=4, help="pictures a prompt, for the suite story")
    p.add_argument("--direct", type=int, default=200, help="floors: prompts drawn directly")
    p.add_argument("--process", type=int, default=100, help="floors: prompts drawn step by step")
    p.add_argument("--edits", type=int, default=100, help="floors: edited plans")
    p.add_argument("--json", type=Path, help="merge the figures into this file; a run cut short goes on")
    p.add_argument("--report", type=Path, help="also write a page of tables and pictures to this file")
    _add_painter(p)
    args = p.parse_args(given)
    command = shlex.join([*PROGRAM.split(), *given])
    wish = Wish(args.seed, args.prompts, args.images, args.json, args.report, command)
    painter = _painter(args)
    if args.suite == "floors":
        counts = {name: getattr(args, name) for name in ("direct", "process", "edits")}
        report = run_floors(painter, _settings(painter, "process"), wish, counts)
    else:
        settings = _settings(painter, args.protocol)
        whole = run_suite(painter, SUITES[args.suite], settings, wish)
        report = {args.suite: whole[args.suite], "run": whole["runs"][args.suite][args.protocol]}
    print(json.dumps(report, indent=1))
    return 0


def _draw_benchmark(given: list[str]) -> int:
    name = given[0]
    runner = public_benchmarks.RUNNERS[name]
    p = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=runner.sentence)
    p.add_argument("prompts", metavar=runner.file, type=Path)
    p.add_argument("--out", metavar="DIR", type=Path, required=True, help="where the pictures go")
    p.add_argument("--protocol", choices=protocols.NAMES, default="process")
    if runner.images > 1:
        p.add_argument("--images", type=_count, default=runner.images, help="pictures a prompt")
    _add_painter(p)
    args = p.parse_args(given[1:])
    prompts = runner.read(args.prompts)
    painter = _painter(args)
    settings = _settings(painter, args.protocol)
    images = getattr(args, "images", runner.images)
    failed = public_benchmarks.draw_all(
        painter, settings, runner, prompts, args.prompts, args.out, images=images, seed=args.seed
    )
    for line in failed:
        print(f"evaluation: {line}", file=sys.stderr)
    print(f"{len(prompts)} prompts, {len(failed)} pictures missing, in {args.out}")
    return 1 if failed else 0


def _add_painter(p: argparse.ArgumentParser) -> None:
    p.add_argument("--checkpoint", metavar="DIR", type=Path, help="the default one if left out")
    p.add_argument("--device", default="cpu")
    p.add_argument("--precision", default="float32", choices=("float32", "bf16"))
    p.add_argument("--seed", type=int, default=0)


def _painter(args: argparse.Namespace) -> Painter:
    from engine.inference.painter import open_painter  # torch: only once everything else is in order

    return open_painter(args.checkpoint or default_checkpoint(), args.device, args.precision)


def _settings(painter: Painter, protocol: str) -> Settings:
    """What the checkpoint recommends, by the protocol, with nobody to wait for."""
    return Settings.from_dict({**painter.sampling, "protocol": protocol, "mode": "auto"})


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
