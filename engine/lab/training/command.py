"""``restroke train STAGE``: the autoencoder, the data, the unified model and its export, or all in turn.

Every stage resumes what it finds in the work folder: an interrupted command is simply given again. On several
GPUs it is ``accelerate launch -m engine.lab.training unified``, with the same options.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.checkpoints.errors import CheckpointError
from engine.core.assets import default_checkpoint
from engine.lab.training.data.variants import CHAINS, CRITIQUES

if TYPE_CHECKING:
    from engine.lab.training.stages import Stage

STAGES = ("autoencoder", "data", "unified", "export")
TOKENS = 8192
STOPPED = 130


def add_to(commands: Any) -> None:
    """Adds ``train`` and its stages to the subcommands of ``restroke``."""
    add_stages(
        commands.add_parser(
            "train",
            help="train a storybook model, or fine-tune a checkpoint",
            description="Trains a storybook model from scratch, or continues from a checkpoint. Every stage "
            "resumes what it finds in the work folder: just give an interrupted command again.",
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m engine.lab.training``, for ``accelerate launch``. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m engine.lab.training")
    add_stages(parser)
    chosen = parser.parse_args(arguments)
    return chosen.call(chosen)


def add_stages(parser: argparse.ArgumentParser) -> None:
    """The stages and the small commands around them, each with its own options."""
    stages = parser.add_subparsers(required=True, metavar="STAGE")

    def add(name: str, call: Callable[[argparse.Namespace], None], sentence: str, *options: Callable) -> None:
        p = stages.add_parser(name, help=sentence, description=sentence[0].upper() + sentence[1:] + ".")
        for add_options in options:
            add_options(p)
        p.set_defaults(call=lambda args: _guarded(call, args), stages=STAGES if name == "all" else (name,))

    add("all", run_stages, "the four stages below in turn", _work, _begin, _first, _plan, _learn, _write)
    add("autoencoder", run_stages, "train the autoencoder, or its decoder further", _work, _begin, _first)
    add("data", run_stages, "write the training data: shards of encoded scripts", _work, _begin, _plan)
    add("unified", run_stages, "train the unified model", _work, _begin, _plan, _learn)
    add("export", run_stages, "write the checkpoint folder", _work, _begin, _write)
    add("model-card", write_model_card, "write the checkpoint's README from its measurements", _out)
    add("curves", draw_curves, "draw the losses so far", _work_folder)
    add("dry-run", dry_run, "say what fine-tuning a checkpoint would need", _need)
    add("data-report", report_data, "count what is in the training data", _report)
    add("sample", sample, "let a checkpoint sketch and write scripts about that", _sample)


def _work_folder(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--work",
        metavar="DIR",
        type=Path,
        default=Path("runs/default"),
        help="where the stages keep their files (%(default)s)",
    )


def _work(p: argparse.ArgumentParser) -> None:
    _work_folder(p)
    p.add_argument("--device", metavar="NAME", help="cuda or cpu (default: cuda if there is one)")
    p.add_argument("--seed", type=int, default=0, metavar="N")


def _begin(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--begin-from", metavar="DIR", type=Path, help="a checkpoint folder that an empty --work begins with"
    )
    p.add_argument(
        "--new-words",
        action="store_true",
        help="with --begin-from: learn the tokenizer anew, for a world with more words",
    )


def _first(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--autoencoder-steps", metavar="N", type=int, default=3000, help="optimiser steps (%(default)s)"
    )
    p.add_argument("--decoder-only", action="store_true", help="train the decoder further, keep the encoder")


def _plan(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--plan", metavar="NAME", default="default", help="stage plan of assets/training, or a .toml file"
    )
    p.add_argument("--steps", metavar="N", type=int, help="stretch the plan to this many steps in all")
    p.add_argument("--shards", metavar="N", type=int, default=16, help="shards of 1000 scripts (%(default)s)")
    p.add_argument(
        "--chains", choices=CHAINS, metavar="NAME", help="varied or add-only, not what the plan says"
    )
    p.add_argument(
        "--critique",
        choices=CRITIQUES,
        metavar="NAME",
        help="none, symbolic, self-sampled or both, not what the plan says",
    )
    p.add_argument(
        "--sampled", metavar="DIR", type=Path, help="scripts about a model's own sketches (train sample)"
    )


def _learn(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--rejected",
        choices=("masked", "learned"),
        metavar="NAME",
        help="masked or learned, not what the plan says",
    )
    p.add_argument("--tokens", metavar="N", type=int, help="tokens per process and step")
    p.add_argument("--rank", metavar="N", type=int, help="train low-rank adapters of this rank")
    p.add_argument("--recompute", action="store_true", help="save memory: run layers again going backwards")
    p.add_argument(
        "--sharded", action="store_true", help="split the model over the processes of accelerate launch"
    )
    p.add_argument(
        "--pictures", metavar="DIR", type=Path, help="train on a folder of your own pictures (parquet)"
    )
    p.add_argument(
        "--sessions",
        metavar="N",
        type=int,
        default=1000,
        help="without --sampled: sessions to sample for a stage (%(default)s)",
    )


def _out(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("assets/default"),
        help="the checkpoint folder (%(default)s: the model that ships)",
    )


def _write(p: argparse.ArgumentParser) -> None:
    _out(p)
    p.add_argument("--machine", metavar="NAME", default="", help="what training.json calls this machine")


def _need(p: argparse.ArgumentParser) -> None:
    p.add_argument("--checkpoint", metavar="DIR", type=Path, help="default: the shape of the public 7B")
    p.add_argument("--gpus", metavar="N", type=int, default=1, help="how many GPUs (%(default)s)")
    p.add_argument(
        "--tokens", metavar="N", type=int, default=TOKENS, help="tokens per GPU and step (%(default)s)"
    )
    p.add_argument("--rank", metavar="N", type=int, help="low-rank adapters of this rank, not all weights")


def _report(p: argparse.ArgumentParser) -> None:
    p.add_argument("--count", metavar="N", type=_count, default=1000, help="scripts per subset (%(default)s)")
    p.add_argument("--seed", metavar="N", type=int, default=0)
    p.add_argument("--sampled", metavar="DIR", type=Path, help="also count this folder of train sample")


def _sample(p: argparse.ArgumentParser) -> None:
    p.add_argument("--count", metavar="N", type=_count, default=1000, help="sessions (%(default)s)")
    p.add_argument("--seed", metavar="N", type=int, default=0)
    p.add_argument(
        "--checkpoint", metavar="DIR", type=Path, help="who sketches (default: the model that ships)"
    )
    p.add_argument("--device", metavar="NAME", default="cpu", help="cuda or cpu (%(default)s)")
    p.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("runs/sampled"), help="where they go (%(default)s)"
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _guarded(call: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> int:
    """Runs a command. Returns the exit status: 0 done, 1 failed, 130 stopped."""
    try:
        call(args)
    except (CheckpointError, ValueError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("train: stopped; the same command goes on from here", file=sys.stderr)
        return STOPPED
    return 0


def run_stages(args: argparse.Namespace) -> None:
    """The stages that were asked for, in order."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and args.stages != ("unified",):
        raise ValueError(
            "several processes train the stage unified only. Give the others without accelerate launch."
        )
    import torch

    from engine.lab.training import starting_point

    args.device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    args.work.mkdir(parents=True, exist_ok=True)
    if args.begin_from:
        from engine.lab.training.unified import processes

        team = processes(args.device)
        if team.is_main_process:
            starting_point.begin_from(args.begin_from, args.work, args.seed, new_words=args.new_words)
        team.wait_for_everyone()
    for stage in args.stages:
        {"autoencoder": train_autoencoder, "data": write_data, "unified": train_model, "export": export}[
            stage
        ](args)


def train_autoencoder(args: argparse.Namespace) -> None:
    """The stage ``autoencoder``; nothing to do where ``work`` began from a checkpoint.

    Latents are the encoder's own: weights taken from a checkpoint go with its encoder and no other.
    """
    from engine.lab.training import starting_point
    from engine.lab.training.autoencoder import train

    if args.decoder_only:
        starting_point.check_world(args.work)
    elif (args.work / starting_point.START).exists():
        return
    train(
        args.work,
        steps=args.autoencoder_steps,
        device=args.device,
        seed=args.seed,
        decoder_only=args.decoder_only,
    )


def plan(args: argparse.Namespace) -> list[Stage]:
    """The stages of the command's plan, stretched, with the data variant that the command names."""
    from engine.lab.training.stages import read_plan, stretched, with_variant

    stages = stretched(read_plan(args.plan), args.steps)
    return with_variant(stages, args.chains, args.critique, getattr(args, "rejected", None))


def write_data(args: argparse.Namespace) -> None:
    """The stage ``data``: shards of every variant of the plan that needs no sketches of the model itself."""
    from engine.lab.training.sample_source import write_variant

    for variant in dict.fromkeys(stage.variant for stage in plan(args)):
        if variant.self_samples and args.sampled is None:
            print(f"shards, {variant.name}: written when their stage begins, from what is trained by then")
        else:
            write_variant(args.work, variant, args.shards, args.seed, args.device, args.sampled)


def train_model(args: argparse.Namespace) -> None:
    """The stage ``unified``."""
    from engine.lab.training import starting_point
    from engine.lab.training.precision import multiplies_bfloat16
    from engine.lab.training.sample_source import SampleSource
    from engine.lab.training.unified import Sampler, TrainingRun, processes, train

    team, stages = processes(args.device), plan(args)
    if args.tokens is not None:
        stages = [replace(stage, tokens=args.tokens * team.num_processes) for stage in stages]
    with team.main_process_first():  # the process that learns the tokenizer writes it for the others
        tokenizer = starting_point.load_tokenizer(args.work, args.seed)
    sample_source: Callable[[Stage], Sampler]
    if args.pictures:  # every process encodes on a device of its own
        own = starting_point.own_pictures(args.pictures, args.work, tokenizer.encode, str(team.device))
        sample_source = lambda stage: own  # noqa: E731
    else:
        sample_source = SampleSource(
            args.work,
            tokenizer.encode,
            tokenizer.tokens,
            args.shards,
            seed=args.seed,
            device=args.device,
            sampled=args.sampled,
            sessions=args.sessions,
        )
    # Beside adapters the model's own weights are frozen, and need no more than what is multiplied.
    halved = args.rank and multiplies_bfloat16(args.device)
    model = starting_point.new_model(args.work, args.seed, "bf16" if halved else "float32")
    if args.rank:
        from engine.lab.training.adapters import add_adapters  # peft is only in the extra `train`

        add_adapters(model, args.rank)
    run = TrainingRun(stages, args.seed, args.device, args.sharded, args.recompute)
    train(args.work, model, sample_source, tokenizer.tokens, run)


def export(args: argparse.Namespace) -> None:
    """The stage ``export``."""
    from engine.lab.training.export import export as write_checkpoint

    write_checkpoint(args.work, args.out, seed=args.seed, machine=args.machine)


def write_model_card(args: argparse.Namespace) -> None:
    from engine.lab.training import model_card

    model_card.write_model_card(args.out)


def draw_curves(args: argparse.Namespace) -> None:
    from engine.lab.training.curves import draw_curves_of  # matplotlib is only in the extra `train`

    print(draw_curves_of(args.work))


def dry_run(args: argparse.Namespace) -> None:
    from engine.lab.training import dry_run

    print(dry_run.dry_run(args.checkpoint, gpus=args.gpus, tokens=args.tokens, rank=args.rank))


def report_data(args: argparse.Namespace) -> None:
    from engine.lab.training.data.report import report

    print(report(args.count, args.seed, args.sampled))


def sample(args: argparse.Namespace) -> None:
    from engine.lab.training.sample_source import sample_scripts

    checkpoint = args.checkpoint or default_checkpoint()
    found = sample_scripts(checkpoint, args.out, count=args.count, seed=args.seed, device=args.device)
    print(f"{found} scripts of {args.count} sessions are in {args.out}")
