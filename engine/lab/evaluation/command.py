"""``restroke evaluate``: measures a storybook checkpoint by the judge, suite by suite.

Without options everything is measured and ``evaluation.json`` of the checkpoint is written. ``geneval`` and
``wise`` draw the pictures of two public benchmarks instead, for their own scorers; ``examples`` finds prompts
that the model does well; ``ablations`` compares variants.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import protocols
from engine.lab.evaluation import examples, options, public_benchmarks, results
from engine.lab.evaluation.ablations import command as ablations
from engine.lab.evaluation.runner import SUITES, Request, about_run, folder_of, identity, rows_of, run_suite

if TYPE_CHECKING:
    from engine.lab.evaluation.suite import Suite
    from engine.runs.opened_model import OpenedModel

ALL = "all"


def add_to(commands: Any) -> None:
    """Adds ``evaluate`` and its subcommands to the subcommands of ``restroke``."""
    p = commands.add_parser(
        "evaluate",
        help="measure a storybook checkpoint",
        description="Measures a storybook checkpoint by the judge, suite by suite, and writes the figures "
        "into its evaluation.json.",
        epilog="suites: " + "; ".join(f"{suite.name} ({suite.sentence})" for suite in SUITES.values()),
    )
    p.add_argument("--suite", choices=(ALL, *SUITES), metavar="NAME", default=ALL, help="only this suite")
    p.add_argument(
        "--protocol",
        choices=(ALL, *protocols.NAMES),
        metavar="NAME",
        default=ALL,
        help="only this protocol (default: all that checkpoint and suite have)",
    )
    p.add_argument("--prompts", metavar="N", type=options.count, help="how many (default: by suite)")
    p.add_argument(
        "--images", metavar="N", type=options.count, help="pictures per prompt of the suite story (4)"
    )
    p.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        help="where the figures go, in place of evaluation.json; with --prompts or --images they go nowhere "
        "without it",
    )
    p.add_argument("--report", metavar="FILE", type=Path, help="also write an HTML page with pictures")
    options.add_model(p)
    options.add_workers(p)
    options.set_call(p, measure)
    subcommands = p.add_subparsers(metavar="SUBCOMMAND")
    _add_examples(subcommands)
    for runner in public_benchmarks.RUNNERS.values():
        _add_benchmark(subcommands, runner)
    ablations.add_to(subcommands)


def _add_examples(subcommands: Any) -> None:
    p = subcommands.add_parser(
        "examples",
        help="find prompts that the model does well",
        description="Draws held-out prompts and writes the best into examples.json of the checkpoint.",
    )
    p.add_argument(
        "--prompts",
        metavar="N",
        type=options.count,
        default=examples.SUITE.prompts,
        help="how many are tried (%(default)s)",
    )
    p.add_argument("--images", metavar="N", type=options.count, default=4, help="per prompt (%(default)s)")
    p.add_argument(
        "--keep", metavar="N", type=options.count, default=6, help="how many to keep (%(default)s)"
    )
    _add_protocol(p)
    options.add_model(p)
    options.add_workers(p)
    options.set_call(p, find_examples)


def _add_benchmark(subcommands: Any, runner: public_benchmarks.Runner) -> None:
    p = subcommands.add_parser(
        runner.name, help=f"draw the pictures of {runner.title}", description=runner.sentence
    )
    p.add_argument("prompts", metavar=runner.file, type=Path, help="the benchmark's own file of prompts")
    p.add_argument("--out", metavar="DIR", type=Path, required=True, help="where the pictures go")
    _add_protocol(p)
    if runner.images > 1:
        p.add_argument(
            "--images",
            metavar="N",
            type=options.count,
            default=runner.images,
            help="pictures per prompt (%(default)s)",
        )
    options.add_model(p)
    options.set_call(p, partial(draw_benchmark, runner))


def _add_protocol(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--protocol", metavar="NAME", choices=protocols.NAMES, default="process", help="(%(default)s)"
    )


def measure(args: argparse.Namespace) -> int:
    """Runs the suites that were asked for by the protocols that fit them."""
    model = options.model_of(args)
    quick = args.prompts is not None or args.images is not None
    target = args.json or (None if quick else folder_of(model) / "evaluation.json")
    request = Request(
        args.seed,
        args.prompts,
        args.images or 4,
        target,
        args.spelled,
        options.workers_of(args, model),
        args.profile,
        args.precision,
    )
    report, drawn = results.read(target), {}
    for name in SUITES if args.suite == ALL else (args.suite,):
        suite = SUITES[name]
        for protocol in _protocols(args, model, suite):
            settings = options.settings_of(model, protocol)
            same = identity(model, suite, settings, request)
            if args.suite == ALL and results.has(report, name, protocol, same):
                print(f"{name} by {protocol}: already in {target}", flush=True)
                continue
            report, drawn[name, protocol] = run_suite(model, suite, settings, request, report)
            told = {name: {protocol: report[name][protocol]}, "run": report["runs"][name][protocol]}
            print(json.dumps(told, indent=1), flush=True)
    if args.report:
        from engine.lab.evaluation.report import page  # Jinja2

        args.report.write_text(page(report, drawn), encoding="utf-8")
    return 0


def _protocols(args: argparse.Namespace, model: OpenedModel, suite: Suite) -> list[str]:
    """Those to run a suite by. One asked for by name, of a suite by name, is tried in any case."""
    fitting = [one for one in model.protocols if suite.protocols is None or one in suite.protocols]
    if args.protocol == ALL:
        return fitting
    return [args.protocol] if args.suite != ALL or args.protocol in fitting else []


def draw_benchmark(runner: public_benchmarks.Runner, args: argparse.Namespace) -> int:
    """Draws a public benchmark's pictures for its own scorer."""
    prompts = runner.read(args.prompts)
    model = options.model_of(args)
    settings = options.settings_of(model, args.protocol)
    images = getattr(args, "images", runner.images)
    failed = public_benchmarks.draw_all(
        model, settings, runner, prompts, args.prompts, args.out, images=images, seed=args.seed
    )
    for line in failed:
        print(f"evaluate: {line}", file=sys.stderr)
    print(f"{len(prompts)} prompts, {len(failed)} pictures missing, in {args.out}")
    return 1 if failed else 0


def find_examples(args: argparse.Namespace) -> int:
    """Draws held-out prompts and keeps those that came out best."""
    model = options.model_of(args)
    settings = options.settings_of(model, args.protocol)
    request = Request(
        args.seed,
        args.prompts,
        args.images,
        command=args.spelled,
        workers=options.workers_of(args, model),
        profile=args.profile,
        precision=args.precision,
    )
    rows = rows_of(model, examples.SUITE, settings, request)
    found = examples.best(rows, args.keep)
    for row in found:
        print(f"{row['right']} of {row['of']}: {row['text']}")
    if not found:
        print("evaluate: no prompt came out right once, so nothing was written", file=sys.stderr)
        return 1
    about = about_run(model, examples.SUITE, settings, request, rows)
    print(f"written: {examples.write(folder_of(model), found, about)}")
    return 0
