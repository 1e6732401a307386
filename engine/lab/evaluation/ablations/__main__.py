"""``python -m engine.lab.evaluation.ablations NAME``: one of the papers' ablations, as a table.

``inspectors``, ``turns``, ``guidance`` and ``outside`` switch a part of one checkpoint. ``edits``,
``critiques`` and ``modes`` train their arms first, by equal budgets, each in a folder of its own: from
nothing, or all from one checkpoint (``--begin-from``). All go on where they were stopped.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine import protocols
from engine.checkpoints.errors import CheckpointError
from engine.core.settings import Settings
from engine.lab.evaluation import options
from engine.lab.evaluation.ablations import trained
from engine.lab.evaluation.ablations.switches import SWITCHES
from engine.lab.evaluation.ablations.table import Figures, Table, write
from engine.lab.evaluation.suite import Row, Suite
from engine.lab.evaluation.suites import SUITES, Wish, journal_of, rows_of
from engine.protocols.base import Protocol

if TYPE_CHECKING:
    from engine.inference.painter import Painter

PROGRAM = "python -m engine.lab.evaluation.ablations"
STOPPED = 130


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.replace("``", ""))
    p.add_argument("name", choices=(*trained.SETS, *SWITCHES))
    p.add_argument("--prompts", type=options.count, default=20, help="in each suite's own terms")
    p.add_argument("--images", type=options.count, default=2, help="pictures a prompt of StoryEval")
    p.add_argument(
        "--protocol", choices=protocols.NAMES, help="guidance: irg or process; irg if it is offered"
    )
    p.add_argument(
        "--out", type=Path, default=Path("docs/ablations"), help="where the table goes (%(default)s)"
    )
    p.add_argument(
        "--work", type=Path, default=Path("runs/arms"), help="where trained arms are kept (%(default)s)"
    )
    p.add_argument("--begin-from", type=Path, help="a checkpoint folder that all arms begin with")
    p.add_argument("--steps", type=options.count, default=600, help="of training, an arm")
    p.add_argument("--shards", type=options.count, default=4, help="of 1000 scripts, an arm")
    p.add_argument("--sessions", type=options.count, default=300, help="for self-sampled critiques")
    p.add_argument("--device", default="cpu", help="where arms are trained")
    options.add_painter(p)
    options.add_workers(p)
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the table. Returns the exit status: 0 done, 1 failed, 130 stopped."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    args = parser().parse_args(given)
    try:
        rows, about = (_switched if args.name in SWITCHES else _trained)(args)
    except (ValueError, OSError, RuntimeError, CheckpointError) as error:
        print(f"ablations: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ablations: stopped; the same command goes on from here", file=sys.stderr)
        return STOPPED
    sentence = (SWITCHES if args.name in SWITCHES else trained.SETS)[args.name].sentence
    about |= {
        "command": shlex.join([*PROGRAM.split(), *given]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    table = Table(args.name, sentence, rows, about)
    for path in write(table, args.out):
        print(f"written: {path}")
    for journal in args.out.glob(f"{args.name}.*.partial.jsonl"):
        journal.unlink()
    print(table.markdown())
    return 0


def _switched(args: argparse.Namespace) -> tuple[dict[str, Figures], dict]:
    switch = SWITCHES[args.name]
    if args.protocol not in (None, *switch.protocols):
        raise ValueError(
            f"the ablation {switch.name!r} is of the protocol {' or '.join(switch.protocols)} only; "
            "nothing was run, leave --protocol out"
        )
    painter = options.painter_of(args)
    offered = (name for name in switch.protocols if name in painter.protocols)
    protocol = args.protocol or next(offered, switch.protocols[-1])
    usual, own = options.settings_of(painter, protocol), painter.grammars.get(protocol)
    lines: dict[str, Figures] = {}
    seconds = 0.0
    for variant in switch.variants:
        settings = Settings.from_dict(usual.as_dict() | dict(variant.settings))
        other = variant.protocol and variant.protocol(own or protocols.get(protocol))
        rows = _examined(args, painter, variant.suite, settings, variant.name, other)
        seconds += sum(row["seconds"] for row in rows)
        lines |= switch.lines(variant, rows)
    return lines, {"seconds": round(seconds, 1), "fingerprint": dict(painter.fingerprint)}


def _trained(args: argparse.Namespace) -> tuple[dict[str, Figures], dict]:
    from engine.core.assets import default_checkpoint

    budget = trained.Budget(
        args.work, args.steps, args.shards, args.sessions, args.seed, args.device, args.begin_from
    )
    autoencoder = (args.checkpoint or default_checkpoint()) / "ae.safetensors"
    of = trained.SETS[args.name]
    for arm in trained.order(of.arms):
        trained.train(arm, budget, autoencoder)
    return measured(args, of, budget.checkpoint)


def measured(
    args: argparse.Namespace, of: trained.ArmSet, checkpoint: Callable[[trained.Trained], Path]
) -> tuple[dict[str, Figures], dict]:
    """The lines of trained arms, and how they came about.

    What an arm was measured at stays beside its checkpoint: two ablations may have an arm in common.
    """
    lines: dict[str, Figures] = {}
    prints, seconds = {}, 0.0
    for arm in of.arms:
        args = argparse.Namespace(**vars(args) | {"checkpoint": checkpoint(arm)})
        painter = options.painter_of(args)
        figures: dict = {}
        for columns in of.columns:
            suite, settings = SUITES[columns.suite], options.settings_of(painter, columns.protocol)
            beside = checkpoint(arm).parent / "rows"
            rows = _examined(args, painter, suite, settings, trained.label(arm), kept=beside)
            seconds += sum(row["seconds"] for row in rows)
            figures |= columns.of(suite.summarise(rows))
        lines[trained.label(arm)], prints[trained.label(arm)] = figures, dict(painter.fingerprint)
    return lines, {"seconds": round(seconds, 1), "fingerprint": prints}


def _examined(
    args: argparse.Namespace,
    painter: Painter,
    suite: Suite,
    settings: Settings,
    variant: str,
    protocol: Protocol | None = None,
    kept: Path | None = None,
) -> list[Row]:
    """The rows of a variant, in a journal that begins with ``kept``; beside the table until it is written."""
    kept = kept or args.out / args.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    wish = Wish(
        args.seed,
        args.prompts,
        args.images,
        workers=options.workers_of(args, painter),
        profile=args.profile,
        precision=args.precision,
    )
    journal = journal_of(painter, suite, settings, replace(wish, json=kept), variant=variant)
    return rows_of(painter, suite, settings, wish, journal, protocol)


if __name__ == "__main__":
    sys.exit(main())
