"""Writes a trained run as a checkpoint folder in the public layout.

What a run began with is kept: a checkpoint's own files go through byte for byte, and so does every weight
that was not trained. Weights pass through memory tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.checkpoints.files import AUTOENCODER_NAME, TensorFiles
from engine.checkpoints.sizes import LM_HEAD
from engine.checkpoints.tensor_writer import write_tensors
from engine.checkpoints.tokenizer import FILES
from engine.checkpoints.validated_folder import ValidatedFolder
from engine.checkpoints.vocabulary import VERSION, VOCABULARY
from engine.checkpoints.writer import save_checkpoint
from engine.core.atomic_write import write_json
from engine.lab.storybook.language.parse import known_words
from engine.lab.training import provenance, starting_point

TAUGHT_BY = {"process": "whole", "direct": "direct", "think": "initial full", "irg": "improving full"}
"""The family of samples that shows a protocol's trajectories from beginning to end."""

SAMPLING = {"timesteps": 25, "guidance": 2.5, "shift": 1.0, "renorm": "global"}

AVERAGE = "tensors.average."
"""Before the names of averaged weights in a run's state."""


@torch.no_grad()
def export(work: Path, target: Path, *, seed: int, machine: str) -> Path:
    """The averaged weights of ``work``, with autoencoder and tokenizer, into ``target``.

    A storybook model that began with nothing is written in bf16; weights of a checkpoint keep the dtypes
    they were stored in. Where only the autoencoder was trained on, the weights that ``work`` began with.
    """
    state = work / "unified.state.safetensors"
    learned = TensorFiles([state] if state.exists() else [])
    past = provenance.gather(work, seed=seed, machine=machine)
    if opened := starting_point.begun(work):
        export_begun(opened, learned, target, protocols_of(past))
    else:
        model = starting_point.new_model(work, seed)
        model.load_state_dict(dict(with_learned(model.state_dict().items(), learned)))
        autoencoder = starting_point.load_autoencoder(work, "cpu")
        extras = starting_point.EXTRAS | {"sampling": SAMPLING, "protocols": protocols_of(past)}
        save_checkpoint(target, model, autoencoder, work / "tokenizer", extras=extras)
        write_vocabulary(target)
    provenance.write(target, past)
    return target


def write_vocabulary(folder: Path) -> None:
    """Writes which words a storybook model knows (``engine.checkpoints.vocabulary``)."""
    words = {"version": VERSION, "world": starting_point.EXTRAS["world"], "words": sorted(known_words())}
    write_json(folder / VOCABULARY, words)


def export_begun(opened: ValidatedFolder, learned: TensorFiles, target: Path, taught: list[str]) -> None:
    """A run that began from a checkpoint: what it learned, and all else as it was.

    ``config.json`` changes where protocols were ``taught``: they join those that it names.
    """
    work, weights = opened.path, opened.weights
    target.mkdir(parents=True, exist_ok=True)
    starting_point.copy_files(work, target, starting_point.CONFIGS)
    starting_point.copy_files(work / "tokenizer", target, FILES)
    if opened.extras.get("world") == starting_point.EXTRAS["world"]:
        write_vocabulary(target)
    if taught:
        known = {*opened.extras.get("protocols", ()), *taught}
        protocols = [protocol for protocol in TAUGHT_BY if protocol in known]
        write_json(target / "config.json", opened.extras | {"protocols": protocols})
    if (work / "decoder.json").exists():  # trained on here, in float32
        stored = opened.ae_file.stored
        outline = {name: (torch.bfloat16, at.shape) for name, at in stored.items()}
        halves = ((name, opened.ae_file.tensor(name).bfloat16()) for name in stored)
        write_tensors(target / AUTOENCODER_NAME, outline, halves, {"format": "pt"})
    else:
        starting_point.copy_files(work, target, (AUTOENCODER_NAME,))
    # A tied head may be stored, too: it would be another matrix than the embedding that was trained.
    names = [name for name in weights.stored if not (opened.tied and name == LM_HEAD)]
    shapes = weights.shapes | {name.removeprefix(AVERAGE): shape for name, shape in learned.shapes.items()}
    outline = {name: (weights.stored[name].dtype, shapes[name]) for name in names}
    base = ((name, weights.tensor(name)) for name in names)
    write_tensors(target / "ema.safetensors", outline, with_learned(base, learned), {"format": "pt"})


def with_learned(base: Iterable[tuple[str, Tensor]], learned: TensorFiles) -> Iterator[tuple[str, Tensor]]:
    """Weights by name, those that were trained averaged, and those with adapters merged; dtypes stay."""
    adapted = any(".lora_A." in name for name in learned.stored)
    if adapted:
        from engine.lab.training.adapters import adapter_names, merged  # peft is only in the extra `train`
    for name, weight in base:
        if AVERAGE + name in learned.stored:
            weight = learned.tensor(AVERAGE + name).to(weight.dtype)
        elif adapted and AVERAGE + adapter_names(name)[0] in learned.stored:
            weight = merged(weight, *(learned.tensor(AVERAGE + beside) for beside in adapter_names(name)))
        yield name, weight


def protocols_of(past: list[dict[str, Any]]) -> list[str]:
    """The protocols whose whole trajectories were in the data of these stages."""
    families = {family for stage in past for family in stage.get("velocity_error", ())}
    return [protocol for protocol, family in TAUGHT_BY.items() if family in families]
