"""Writes a trained run as a checkpoint folder in the public layout."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from engine.checkpoints.writer import save_checkpoint
from engine.training import history, recipe

SAMPLING = {"timesteps": 25, "guidance": 2.5, "shift": 1.0, "renorm": "global"}


@torch.no_grad()
def export(work: Path, target: Path, *, seed: int, machine: str) -> Path:
    """Averaged weights of ``work`` in bf16, with autoencoder and tokenizer, into ``target``."""
    tokenizer = recipe.make_tokenizer(work, seed)
    model = recipe.new_model(tokenizer, seed)
    named = dict(model.named_parameters())
    for name, value in load_file(work / "unified.state.safetensors").items():
        if name.startswith("tensors.average."):
            named[name.removeprefix("tensors.average.")].copy_(value)
    autoencoder = recipe.load_autoencoder(work, "cpu")
    save_checkpoint(
        target, model, autoencoder, work / "tokenizer", extras=recipe.EXTRAS | {"sampling": SAMPLING}
    )
    history.write(target, history.gather(work, seed=seed, machine=machine))
    return target
