"""``python -m engine.training STAGE``: autoencoder, data, unified, export, or all of them in that order.

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
from engine.training.export import export
from engine.training.samples import SampleMaker
from engine.training.shards import Library, write_shards
from engine.training.unified import Plan
from engine.training.unified import train as train_unified

STAGES = ("autoencoder", "data", "unified", "export")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m engine.training", description=__doc__)
    p.add_argument("stage", choices=(*STAGES, "all", "card"))
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
    p.add_argument("--autoencoder-minutes", type=float, default=20.0)
    p.add_argument("--unified-minutes", type=float, default=100.0)
    p.add_argument("--shards", type=int, default=16, help="number of shards, of 1000 scripts each")
    p.add_argument(
        "--sampled", type=Path, help="lessons from a model's own sketches (python -m engine.training.data)"
    )
    p.add_argument("--tokens", type=int, default=8192, help="tokens in a batch of the unified model")
    p.add_argument("--machine", default="", help="what the history says it was trained on")
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    stages = STAGES if args.stage == "all" else (args.stage,)
    args.work.mkdir(parents=True, exist_ok=True)
    if args.begin_from:
        recipe.begin_from(args.begin_from, args.work)
    # Latents are the autoencoder's own: weights taken from a checkpoint go with its autoencoder and no other.
    begun = (args.work / "unified.start.safetensors").exists()
    if "autoencoder" in stages and not begun:
        train_autoencoder(args.work, minutes=args.autoencoder_minutes, device=args.device, seed=args.seed)
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
        maker = SampleMaker(
            Library(args.work / "shards"),
            lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
            tokens,
        )
        plan = Plan(args.unified_minutes, args.tokens, args.seed, args.device)
        start = args.work / "unified.start.safetensors"
        train_unified(args.work, recipe.new_model(tokenizer, args.seed, start), maker, tokens, plan)
    if "export" in stages:
        export(args.work, args.out, seed=args.seed, machine=args.machine)
    if args.stage == "card":
        write_card(args.out)


if __name__ == "__main__":
    main()
