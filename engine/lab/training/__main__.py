"""``python -m engine.lab.training STAGE``: autoencoder, data, unified, export, or all of them in that order.

``dry-run`` says what training a checkpoint would need; ``curves`` draws what a training has learned so far.

``card`` writes the checkpoint's model card once ``python -m engine.lab.evaluation --json`` has measured it.
Every stage resumes what it finds in the work folder, so an interrupted command is simply given again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from engine.lab.training import recipe
from engine.lab.training.autoencoder import train as train_autoencoder
from engine.lab.training.data.variants import CHAINS, CRITIQUES
from engine.lab.training.dry_run import dry_run
from engine.lab.training.export import export
from engine.lab.training.model_card import write_card
from engine.lab.training.precision import multiplies_bfloat16
from engine.lab.training.sample_source import Lessons, write_arm
from engine.lab.training.stages import Stage, of_arm, read_plan, stretched
from engine.lab.training.unified import Run, processes
from engine.lab.training.unified import train as train_unified

TOKENS = 8192
STAGES = ("autoencoder", "data", "unified", "export")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m engine.lab.training", description=__doc__.replace("``", ""))
    p.add_argument("stage", choices=(*STAGES, "all", "card", "curves", "dry-run"))
    p.add_argument(
        "--work",
        type=Path,
        default=Path("runs/default"),
        help="where the stages keep their files (%(default)s)",
    )
    p.add_argument(
        "--begin-from", type=Path, help="a checkpoint folder of any size that an empty --work begins with"
    )
    p.add_argument(
        "--new-words",
        action="store_true",
        help="--begin-from: learn the words anew, for a world that has more of them than the checkpoint",
    )
    p.add_argument(
        "--out",
        type=Path,
        default=Path("assets/default"),
        help="where export writes the checkpoint (default: %(default)s, in place of the model that ships)",
    )
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--autoencoder-steps", type=int, default=3000)
    p.add_argument(
        "--decoder-only", action="store_true", help="autoencoder: train the decoder further, keep the encoder"
    )
    p.add_argument("--plan", default="default", help="the stage plan: a name in assets/training")
    p.add_argument("--steps", type=int, help="shorten or stretch the plan to this many steps in all")
    p.add_argument("--shards", type=int, default=16, help="number of shards of an arm, of 1000 scripts each")
    p.add_argument("--chains", choices=CHAINS, help="data, unified: instead of what the plan's stages say")
    p.add_argument("--critique", choices=CRITIQUES, help="data, unified: instead of what the stages say")
    p.add_argument(
        "--rejected", choices=("masked", "learned"), help="unified: instead of what the stages say"
    )
    p.add_argument(
        "--sharded",
        action="store_true",
        help="unified: split the model over the processes (accelerate launch)",
    )
    p.add_argument(
        "--recompute", action="store_true", help="unified: run layers again in the backward pass, for memory"
    )
    p.add_argument(
        "--pictures", type=Path, help="unified: a folder of one's own pictures (parquet) instead of lessons"
    )
    p.add_argument("--checkpoint", type=Path, help="dry-run: the folder; the public 7B's shape if left out")
    p.add_argument("--cards", type=int, default=1, help="dry-run: how many graphics cards")
    p.add_argument(
        "--tokens",
        type=int,
        help=f"unified: tokens a process and step, instead of what the stages say of all processes together; "
        f"dry-run: tokens a card ({TOKENS})",
    )
    p.add_argument(
        "--rank",
        type=int,
        help="train low-rank adapters of this rank instead of all weights (unified, dry-run)",
    )
    p.add_argument(
        "--sampled",
        type=Path,
        help="lessons from a model's own sketches (python -m engine.lab.training.data sample): critiques, where "
        "a stage's are self-sampled, and weak first pictures of irg",
    )
    p.add_argument(
        "--sessions",
        type=int,
        default=1000,
        help="without --sampled: how many sessions a stage samples from what is trained so far",
    )
    p.add_argument("--machine", default="", help="what the history says it was trained on")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    stages = STAGES if args.stage == "all" else (args.stage,)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and stages != ("unified",):
        parser().error(
            "several processes train the stage unified only. Give the others without accelerate launch."
        )
    if args.stage == "dry-run":
        tokens = TOKENS if args.tokens is None else args.tokens
        print(dry_run(args.checkpoint, gpus=args.cards, tokens=tokens, rank=args.rank))
        return
    args.work.mkdir(parents=True, exist_ok=True)
    if args.begin_from:
        team = processes(args.device)
        if team.is_main_process:
            recipe.begin_from(args.begin_from, args.work, args.seed, new_words=args.new_words)
        team.wait_for_everyone()
    # Latents are the encoder's own: weights taken from a checkpoint go with its encoder and no other.
    begun = (args.work / recipe.START).exists()
    if args.decoder_only:
        recipe.check_world(args.work)
    if "autoencoder" in stages and (args.decoder_only or not begun):
        train_autoencoder(
            args.work,
            steps=args.autoencoder_steps,
            device=args.device,
            seed=args.seed,
            decoder_only=args.decoder_only,
        )
    if "data" in stages:
        write_data(args)
    if "unified" in stages:
        train_model(args)
    if "export" in stages:
        export(args.work, args.out, seed=args.seed, machine=args.machine)
    if args.stage == "card":
        write_card(args.out)
    if args.stage == "curves":
        from engine.lab.training.curves import draw_curves_of  # matplotlib is only in the extra `train`

        print(draw_curves_of(args.work))


def plan(args: argparse.Namespace) -> list[Stage]:
    """The stages of the command's plan, stretched, and of the arm that the command names."""
    stages = stretched(read_plan(args.plan), args.steps)
    return of_arm(stages, args.chains, args.critique, args.rejected)


def write_data(args: argparse.Namespace) -> None:
    """Writes the shards of every arm of the plan whose lessons don't wait for the model's own sketches."""
    for arm in dict.fromkeys(stage.arm for stage in plan(args)):
        if arm.samples and args.sampled is None:
            print(
                f"shards, {arm.name}: written when their stage begins, from the sketches of what is trained"
            )
        else:
            write_arm(args.work, arm, args.shards, args.seed, args.device, args.sampled)


def train_model(args: argparse.Namespace) -> None:
    """The stage ``unified``."""
    team, stages = processes(args.device), plan(args)
    if args.tokens is not None:
        stages = [replace(stage, tokens=args.tokens * team.num_processes) for stage in stages]
    with team.main_process_first():  # who learns the words writes them for the others
        words = recipe.words(args.work, args.seed)
    if args.pictures:  # every process encodes on a device of its own
        own = recipe.own_pictures(args.pictures, args.work, words.encode, str(team.device))
        lessons = lambda stage: own  # noqa: E731
    else:
        lessons = Lessons(
            args.work,
            words.encode,
            words.tokens,
            args.shards,
            seed=args.seed,
            device=args.device,
            sampled=args.sampled,
            sessions=args.sessions,
        )
    # Beside adapters the model's own weights are frozen, and need no more than what is multiplied.
    halved = args.rank and multiplies_bfloat16(args.device)
    model = recipe.new_model(args.work, args.seed, "bf16" if halved else "float32")
    if args.rank:
        from engine.lab.training.adapters import add_adapters  # peft is only in the extra `train`

        add_adapters(model, args.rank)
    run = Run(stages, args.seed, args.device, args.sharded, args.recompute)
    train_unified(args.work, model, lessons, words.tokens, run)


if __name__ == "__main__":
    main()
