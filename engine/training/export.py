"""Writes a trained run as a checkpoint folder in the public layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from engine.checkpoints.writer import save_checkpoint
from engine.training import history, recipe

TAUGHT_BY = {"process": "whole", "direct": "direct", "think": "initial full", "irg": "improving full"}
"""The family of samples that shows a protocol's trajectories from beginning to end."""

SAMPLING = {"timesteps": 25, "guidance": 2.5, "shift": 1.0, "renorm": "global"}


@torch.no_grad()
def export(work: Path, target: Path, *, seed: int, machine: str) -> Path:
    """Averaged weights of ``work`` in bf16, with autoencoder and tokenizer, into ``target``.

    Where only the autoencoder was trained on, the weights that ``work`` began with.
    """
    tokenizer = recipe.make_tokenizer(work, seed)
    model = recipe.new_model(tokenizer, seed, work / "unified.start.safetensors")
    prefix, trained = "tensors.average.", work / "unified.state.safetensors"
    state = load_file(trained) if trained.exists() else {}
    average = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if any(".lora_" in name for name in average):
        from engine.training.adapters import fill_and_merge  # peft is only in the extra `train`

        fill_and_merge(model, average)
    else:
        model.load_state_dict(average, strict=False)
    autoencoder = recipe.load_autoencoder(work, "cpu")
    past = history.gather(work, seed=seed, machine=machine)
    extras = recipe.EXTRAS | {"sampling": SAMPLING, "protocols": protocols_of(past)}
    save_checkpoint(target, model, autoencoder, work / "tokenizer", extras=extras)
    history.write(target, past)
    return target


def protocols_of(past: list[dict[str, Any]]) -> list[str]:
    """The protocols whose whole trajectories were among the lessons of these stages."""
    families = {family for stage in past for family in stage.get("velocity_error", ())}
    return [protocol for protocol, family in TAUGHT_BY.items() if family in families]
