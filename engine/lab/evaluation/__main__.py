"""``python -m engine.lab.evaluation``: measures a storybook checkpoint by the judge, suite by suite.

Without arguments everything is measured and ``evaluation.json`` of the checkpoint is written, suite by suite.
``geneval`` and ``wise`` draw the pictures of two public benchmarks in place of that, for their own scorers;
``examples`` finds prompts that the model does well.
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
from engine.checkpoints.errors import CheckpointError
from engine.lab.evaluation import examples, options, public_benchmarks, results
from engine.lab.evaluation.report import page
from engine.lab.evaluation.suites import SUITES, Wish, about_run, identity, rows_of, run_suite

if TYPE_CHECKING:
    from engine.inference.painter import Painter
    from engine.lab.evaluation.suite import Suite

STOPPED = 130
PROGRAM = "python -m engine.lab.evaluation"
ALL = "all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments ask for. Returns the exit status: 0 done, 1 failed, 130 stopped."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given and given[0] in public_benchmarks.RUNNERS:
            return _draw_benchmark(given)
        return _find_examples(given) if given[:1] == ["examples"] else _examine(given)
    except (ValueError, OSError, CheckpointError) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "evaluation: stopped; what is written to a file goes on there by the same command",
            file=sys.stderr,
        )
        return STOPPED


def _examine(given: list[str]) -> int:
    p = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.replace("``", ""))
    suites = "; ".join(f"{suite.name}: {suite.sentence}" for suite in SUITES.values())
    p.add_argument("--suite", choices=(ALL, *SUITES), default=ALL, help=suites)
    p.add_argument(
        "--protocol",
        choices=(ALL, *protocols.NAMES),
        default=ALL,
        help="all: those that the checkpoint offers and the suite is for",
    )
    p.add_argument(
        "--prompts", type=options.count, help="how many, in the suite's own terms; each has its default"
    )
    p.add_argument("--images", type=options.count, help="pictures a prompt, for the suite story (4)")
    p.add_argument(
        "--json",
        type=Path,
        help="merge the figures into this file, a run cut short goes on; evaluation.json of the checkpoint "
        "where neither --prompts nor --images makes the run a quick one",
    )
    p.add_argument("--report", type=Path, help="at the end, write tables and pictures to this page")
    options.add_painter(p)
    options.add_workers(p)
    args = p.parse_args(given)
    painter = options.painter_of(args)
    quick = args.prompts is not None or args.images is not None
    target = args.json or (None if quick else painter.checkpoint.folder / "evaluation.json")
    command = _command(given)
    wish = Wish(
        args.seed,
        args.prompts,
        args.images or 4,
        target,
        command,
        options.workers_of(args, painter),
        args.profile,
        args.precision,
    )
    report, drawn = results.read(target), {}
    for name in SUITES if args.suite == ALL else (args.suite,):
        suite = SUITES[name]
        for protocol in _protocols(args, painter, suite):
            settings = options.settings_of(painter, protocol)
            same = identity(painter, suite, settings, wish)
            if args.suite == ALL and results.has(report, name, protocol, same):
                print(f"{name} by {protocol}: already in {target}", flush=True)
                continue
            report, drawn[name, protocol] = run_suite(painter, suite, settings, wish, report)
            told = {name: {protocol: report[name][protocol]}, "run": report["runs"][name][protocol]}
            print(json.dumps(told, indent=1), flush=True)
    if args.report:
        args.report.write_text(page(report, drawn), encoding="utf-8")
    return 0


def _protocols(args: argparse.Namespace, painter: Painter, suite: Suite) -> list[str]:
    """Those to examine a suite by. One asked for by name, of a suite by name, is tried at any rate."""
    fitting = [one for one in painter.protocols if suite.protocols is None or one in suite.protocols]
    if args.protocol == ALL:
        return fitting
    return [args.protocol] if args.suite != ALL or args.protocol in fitting else []


def _draw_benchmark(given: list[str]) -> int:
    name = given[0]
    runner = public_benchmarks.RUNNERS[name]
    p = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=runner.sentence)
    p.add_argument("prompts", metavar=runner.file, type=Path)
    p.add_argument("--out", metavar="DIR", type=Path, required=True, help="where the pictures go")
    p.add_argument("--protocol", choices=protocols.NAMES, default="process")
    if runner.images > 1:
        p.add_argument("--images", type=options.count, default=runner.images, help="pictures a prompt")
    options.add_painter(p)
    args = p.parse_args(given[1:])
    prompts = runner.read(args.prompts)
    painter = options.painter_of(args)
    settings = options.settings_of(painter, args.protocol)
    images = getattr(args, "images", runner.images)
    failed = public_benchmarks.draw_all(
        painter, settings, runner, prompts, args.prompts, args.out, images=images, seed=args.seed
    )
    for line in failed:
        print(f"evaluation: {line}", file=sys.stderr)
    print(f"{len(prompts)} prompts, {len(failed)} pictures missing, in {args.out}")
    return 1 if failed else 0


def _find_examples(given: list[str]) -> int:
    p = argparse.ArgumentParser(
        prog=f"{PROGRAM} examples",
        description="Draws held-out prompts and writes the best into examples.json of the checkpoint.",
    )
    p.add_argument("--prompts", type=options.count, default=examples.SUITE.prompts, help="how many are tried")
    p.add_argument("--images", type=options.count, default=4, help="pictures a prompt")
    p.add_argument("--keep", type=options.count, default=6, help="how many become examples")
    p.add_argument("--protocol", choices=protocols.NAMES, default="process")
    options.add_painter(p)
    options.add_workers(p)
    args = p.parse_args(given[1:])
    painter = options.painter_of(args)
    settings = options.settings_of(painter, args.protocol)
    wish = Wish(
        args.seed,
        args.prompts,
        args.images,
        command=_command(given),
        workers=options.workers_of(args, painter),
        profile=args.profile,
        precision=args.precision,
    )
    rows = rows_of(painter, examples.SUITE, settings, wish)
    found = examples.best(rows, args.keep)
    for row in found:
        print(f"{row['right']} of {row['of']}: {row['text']}")
    if not found:
        print("evaluation: no prompt came out right once, so nothing was written", file=sys.stderr)
        return 1
    about = about_run(painter, examples.SUITE, settings, wish, rows)
    print(f"written: {examples.write(painter.checkpoint.folder, found, about)}")
    return 0


def _command(given: Sequence[str]) -> str:
    return shlex.join([*PROGRAM.split(), *given])


if __name__ == "__main__":
    sys.exit(main())
