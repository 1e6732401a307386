"""``restroke evaluate ablations NAME``: one of the papers' ablations, as a table.

``inspectors``, ``turns``, ``guidance`` and ``outside`` switch a part of one checkpoint. ``edits``,
``critiques`` and ``modes`` train their variants first, by equal budgets, each in a folder of its own: from
nothing, or all from one checkpoint (``--begin-from``). All go on where they were stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import protocols
from engine.core.assets import default_checkpoint
from engine.core.settings import Settings
from engine.lab.evaluation import options
from engine.lab.evaluation.ablations.switches import SWITCHES
from engine.lab.evaluation.ablations.table import Figures, Table, write
from engine.lab.evaluation.runner import SUITES, Request, resume_file_of, rows_of
from engine.lab.evaluation.suite import Row, Suite
from engine.protocols.base import Protocol

if TYPE_CHECKING:
    from engine.lab.evaluation.ablations import trained
    from engine.runs.opened_model import OpenedModel

TRAINED = ("edits", "critiques", "modes")
"""The ablations whose variants are trained first (``trained.TRAINED_ABLATIONS``, which imports torch)."""


def add_to(subcommands: Any) -> None:
    """Adds ``ablations`` to the subcommands of ``restroke evaluate``."""
    p = subcommands.add_parser(
        "ablations",
        help="compare variants of the model or of its training",
        description="Makes the table of one ablation. The first three train their variants first, the others "
        "switch a part of one checkpoint. All go on where they were stopped.",
    )
    names = (*TRAINED, *SWITCHES)
    p.add_argument("name", choices=names, metavar="NAME", help=", ".join(names))
    p.add_argument("--prompts", metavar="N", type=options.count, default=20, help="per suite (%(default)s)")
    p.add_argument(
        "--images", metavar="N", type=options.count, default=2, help="pictures per prompt (%(default)s)"
    )
    p.add_argument(
        "--protocol", metavar="NAME", choices=protocols.NAMES, help="guidance: irg (default) or process"
    )
    p.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("docs/ablations"),
        help="where the table goes (%(default)s)",
    )
    options.add_model(p)
    options.add_workers(p)
    training = p.add_argument_group("training of the variants")
    training.add_argument(
        "--work",
        metavar="DIR",
        type=Path,
        default=Path("runs/variants"),
        help="where trained variants are kept (%(default)s)",
    )
    training.add_argument("--begin-from", metavar="DIR", type=Path, help="a checkpoint that all begin with")
    training.add_argument("--device", metavar="NAME", default="cpu", help="cuda or cpu (%(default)s)")
    for name, default, sentence in (
        ("steps", 600, "optimiser steps"),
        ("shards", 4, "shards of 1000 scripts"),
        ("sessions", 300, "sessions for self-sampled critiques"),
    ):
        training.add_argument(
            f"--{name}", metavar="N", type=options.count, default=default, help=f"{sentence} (%(default)s)"
        )
    options.set_call(p, make_table)


def make_table(args: argparse.Namespace) -> int:
    """Measures the variants, prints their table and writes it."""
    spelled = args.spelled
    if args.name in SWITCHES:
        sentence = SWITCHES[args.name].sentence
        rows, about = _switched(args)
    else:
        from engine.lab.evaluation.ablations.trained import TRAINED_ABLATIONS

        sentence = TRAINED_ABLATIONS[args.name].sentence
        rows, about = _trained(args)
    about |= {"command": spelled, "date": datetime.now(UTC).isoformat(timespec="seconds")}
    table = Table(args.name, sentence, rows, about)
    for path in write(table, args.out):
        print(f"written: {path}")
    for resume_file in args.out.glob(f"{args.name}.*.partial.jsonl"):
        resume_file.unlink()
    print(table.markdown())
    return 0


def _switched(args: argparse.Namespace) -> tuple[dict[str, Figures], dict]:
    switch = SWITCHES[args.name]
    if args.protocol not in (None, *switch.protocols):
        raise ValueError(
            f"the ablation {switch.name!r} is of the protocol {' or '.join(switch.protocols)} only; "
            "nothing was run, leave --protocol out"
        )
    model = options.model_of(args)
    offered = (name for name in switch.protocols if name in model.protocols)
    protocol = args.protocol or next(offered, switch.protocols[-1])
    usual, own = options.settings_of(model, protocol), model.protocols.get(protocol)
    lines: dict[str, Figures] = {}
    seconds = 0.0
    for variant in switch.variants:
        settings = Settings.from_dict(usual.as_dict() | dict(variant.settings))
        other = variant.protocol and variant.protocol(own or protocols.get(protocol))
        rows = _examined(args, model, variant.suite, settings, variant.name, other)
        seconds += sum(row["seconds"] for row in rows)
        lines |= switch.lines(variant, rows)
    return lines, {"seconds": round(seconds, 1), "fingerprint": dict(model.fingerprint)}


def _trained(args: argparse.Namespace) -> tuple[dict[str, Figures], dict]:
    from engine.lab.evaluation.ablations import trained

    budget = trained.Budget(
        args.work, args.steps, args.shards, args.sessions, args.seed, args.device, args.begin_from
    )
    autoencoder = (args.checkpoint or default_checkpoint()) / "ae.safetensors"
    of = trained.TRAINED_ABLATIONS[args.name]
    for variant in trained.training_order(of.variants):
        trained.train(variant, budget, autoencoder)
    return measured(args, of, budget.checkpoint)


def measured(
    args: argparse.Namespace,
    of: trained.TrainedAblation,
    checkpoint: Callable[[trained.TrainedVariant], Path],
) -> tuple[dict[str, Figures], dict]:
    """The lines of trained variants, and how they came about.

    What a variant was measured at stays beside its checkpoint: two ablations may have a variant in common.
    """
    from engine.lab.evaluation.ablations import trained

    lines: dict[str, Figures] = {}
    prints, seconds = {}, 0.0
    for variant in of.variants:
        args = argparse.Namespace(**vars(args) | {"checkpoint": checkpoint(variant)})
        model = options.model_of(args)
        figures: dict = {}
        for columns in of.columns:
            suite, settings = SUITES[columns.suite], options.settings_of(model, columns.protocol)
            beside = checkpoint(variant).parent / "rows"
            rows = _examined(args, model, suite, settings, trained.label(variant), kept=beside)
            seconds += sum(row["seconds"] for row in rows)
            figures |= columns.of(suite.summarise(rows))
        lines[trained.label(variant)], prints[trained.label(variant)] = figures, dict(model.fingerprint)
    return lines, {"seconds": round(seconds, 1), "fingerprint": prints}


def _examined(
    args: argparse.Namespace,
    model: OpenedModel,
    suite: Suite,
    settings: Settings,
    variant: str,
    protocol: Protocol | None = None,
    kept: Path | None = None,
) -> list[Row]:
    """The rows of a variant. ``kept`` begins the name of their resume file; else it is beside the table."""
    kept = kept or args.out / args.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    request = Request(
        args.seed,
        args.prompts,
        args.images,
        workers=options.workers_of(args, model),
        profile=args.profile,
        precision=args.precision,
    )
    resume_file = resume_file_of(model, suite, settings, replace(request, json=kept), variant=variant)
    return rows_of(model, suite, settings, request, resume_file, protocol)
