"""``python -m engine.training STAGE``: autoencoder, data, unified, export, or all of them in that order.

``dry-run`` says what training a checkpoint would need; ``curves`` draws what a training has learned so far.

``card`` writes the checkpoint's model card once ``python -m engine.evaluation --json`` has measured it.
Every stage resumes what it finds in the work folder, so an interrupted command is simply given again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.training import recipe
from engine.training.autoencoder import train as train_autoencoder
from engine.training.card import write_card
from engine.training.dry_run import dry_run
from engine.training.export import export
from engine.training.samples import SampleMaker
from engine.training.shards import Library, write_shards
from engine.training.stages import read_plan, stretched
from engine.training.unified import Run
from engine.training.unified import train as train_unified

STAGES = ("autoencoder", "data", "unified", "export")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m engine.training", description=__doc__)
    p.add_argument("stage", choices=(*STAGES, "all", "card", "curves", "dry-run"))
    p.add_argument(
        "--work", type=Path, default=Path("runs/default"), help="where the stages keep their files"
    )
    p.add_argument(
        "--begin-from", type=Path, help="a storybook checkpoint whose weights an empty --work begins with"
    )
    p.add_argument(
        "--out", type=Path, default=Path("assets/default"), help="where export writes the checkpoint"
    )
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--autoencoder-steps", type=int, default=3000)
    p.add_argument("--plan", default="default", help="the stage plan: a name in assets/training")
    p.add_argument("--steps", type=int, help="shorten or stretch the plan to this many steps in all")
    p.add_argument("--shards", type=int, default=16, help="number of shards, of 1000 scripts each")
    p.add_argument("--pictures", type=Path, help="a folder of one's own pictures, for a plan that has them")
    p.add_argument("--checkpoint", type=Path, help="dry-run: the folder; the public 7B's shape if left out")
    p.add_argument("--cards", type=int, default=1, help="dry-run: how many graphics cards")
    p.add_argument("--tokens", type=int, default=8192, help="dry-run: tokens a card and step")
    p.add_argument(
        "--rank",
        type=int,
        help="train low-rank adapters of this rank instead of all weights (unified, dry-run)",
    )
    p.add_argument(
        "--sampled", type=Path, help="lessons from a model's own sketches (python -m engine.training.data)"
    )
    p.add_argument("--machine", default="", help="what the history says it was trained on")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    stages = STAGES if args.stage == "all" else (args.stage,)
    if args.stage == "dry-run":
        print(dry_run(args.checkpoint, gpus=args.cards, tokens=args.tokens, rank=args.rank))
        return
    args.work.mkdir(parents=True, exist_ok=True)
    if args.begin_from:
        recipe.begin_from(args.begin_from, args.work)
    # Latents are the autoencoder's own: weights taken from a checkpoint go with its autoencoder and no other.
    begun = (args.work / "unified.start.safetensors").exists()
    if "autoencoder" in stages and not begun:
        train_autoencoder(args.work, steps=args.autoencoder_steps, device=args.device, seed=args.seed)
    if "data" in stages:
        model = recipe.load_autoencoder(args.work, args.device)
        write_shards(
            args.work / "shards",
            model,
            shards=args.shards,
            seed=args.seed,
            count=1000,
            device=args.device,
            sampled=args.sampled,
        )
    if "unified" in stages:
        tokenizer = recipe.make_tokenizer(args.work, args.seed)
        tokens = recipe.special_tokens(tokenizer)
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
        maker = (
            recipe.own_pictures(args.pictures, args.work, encode)
            if args.pictures
            else SampleMaker(Library(args.work / "shards"), encode, tokens)
        )
        run = Run(stretched(read_plan(args.plan), args.steps), args.seed, args.device)
        model = recipe.new_model(tokenizer, args.seed, args.work / "unified.start.safetensors")
        if args.rank:
            from engine.training.adapters import add_adapters  # peft is only in the extra `train`

            add_adapters(model, args.rank)
        train_unified(args.work, model, maker, tokens, run)
    if "export" in stages:
        export(args.work, args.out, seed=args.seed, machine=args.machine)
    if args.stage == "card":
        write_card(args.out)
    if args.stage == "curves":
        from engine.training.curves import draw_curves_of  # matplotlib is only in the extra `train`

        print(draw_curves_of(args.work))


if __name__ == "__main__":
    main()
