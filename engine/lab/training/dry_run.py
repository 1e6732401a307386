"""What fine-tuning a checkpoint would need, from its shapes alone: nothing is loaded, nothing is trained.

The model is made on the meta device. The figures are arithmetic about what the loop does with the switches
that the table prints (``engine.lab.training.sharding``), not measurements.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.checkpoints.components import component_of
from engine.checkpoints.validated_folder import read_sizes
from engine.lab.training.optimiser import TOGETHER, split_parameters
from engine.model.bagel import Bagel
from engine.model.config import BAGEL_7B, BagelConfig

TRAINED_BYTES = 4 + 4 + 8 + 4
"""A trained weight: float32 master, gradient, two moments, moving average."""

FROZEN_BYTES = 2
WORKSPACE = 6
"""float32 copies of them that making matrices orthogonal takes."""

ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The layers of both experts that low-rank adapters go into."""

GIB = 2**30


@dataclass(frozen=True)
class Need:
    """Weights by part, trained weights, and bytes per GPU by use."""

    parts: dict[str, int]
    trained: int
    bytes_by_use: dict[str, float]
    layer_gib: float

    @property
    def gib(self) -> float:
        return sum(self.bytes_by_use.values()) / GIB


def need(config: BagelConfig, *, gpus: int, tokens: int, rank: int | None) -> Need:
    """The memory of one of ``gpus`` GPUs for steps of ``tokens`` tokens per GPU.

    ``rank`` trains low-rank adapters of the blocks and leaves all else frozen in bfloat16; None trains
    everything. Raises ``ValueError`` for less than one GPU, token or rank.
    """
    if gpus < 1 or tokens < 1 or (rank is not None and rank < 1):
        raise ValueError("GPUs, tokens and the rank of adapters must each be at least 1")
    with torch.device("meta"):
        model = Bagel(config)
    parts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = component_of(name)
        parts[part] = parts.get(part, 0) + parameter.numel()
    language = config.language
    layers = model.language_model.model.layers
    layer = sum(p.numel() for p in layers[0].parameters())
    total = sum(parts.values())
    trained = total
    if rank is not None:
        trained = sum(
            rank * sum(module.weight.shape)
            for name, module in model.named_modules()
            if ".layers." in name
            and name.startswith("language_model")
            and name.rsplit(".", 1)[-1].removesuffix("_moe_gen") in ADAPTED
        )
    frozen = total if rank is not None else 0
    inner = 2 * (8 * language.hidden_size + 3 * language.intermediate_size)
    return Need(
        parts,
        trained,
        {
            "trained weights and optimiser": trained * TRAINED_BYTES / gpus,
            "frozen weights": frozen * FROZEN_BYTES / gpus,
            "two layers gathered": 2 * layer * 2 if gpus > 1 else 0,
            "kept layer inputs": tokens * language.hidden_size * 2 * language.num_layers,
            "one layer recomputed": tokens * inner,
            "logits of an eighth of the tokens": tokens / 8 * language.vocab_size * 4,
            "matrices made orthogonal": WORKSPACE * 4 * orthogonal_values(model) if rank is None else 0,
        },
        layer * 2 / GIB,
    )


def orthogonal_values(model: Bagel) -> int:
    """Values of the matrices that the optimiser makes orthogonal at once, at most."""
    shapes = Counter(matrix.shape for matrix in split_parameters(model)[0])
    return max(
        shape.numel() * min(count, max(1, TOGETHER // shape.numel())) for shape, count in shapes.items()
    )


def report(config: BagelConfig, *, gpus: int, tokens: int, rank: int | None, title: str) -> str:
    """The dry run as lines of text."""
    found = need(config, gpus=gpus, tokens=tokens, rank=rank)
    total = sum(found.parts.values())
    layers = config.language.num_layers
    lines = [f"{title}: {total / 1e9:.3f} billion weights"]
    lines += [f"  {name:36}{count / 1e9:9.3f} billion" for name, count in found.parts.items()]
    how = f"adapters of rank {rank}" if rank is not None else "all weights"
    lines += [f"Trained: {found.trained / 1e9:.3f} billion ({how})", f"Memory per GPU, {gpus} in all:"]
    lines += [f"  {use:36}{size / GIB:9.2f} GiB" for use, size in found.bytes_by_use.items() if size]
    lines.append(f"  {'together':36}{found.gib:9.2f} GiB")
    if gpus > 1:
        lines.append(
            f"Sharding: each of the {layers} layers ({found.layer_gib:.2f} GiB in bfloat16) is one unit; its "
            f"weights, gradients and optimiser state are split over {gpus} GPUs and gathered layer by layer."
        )
    else:
        lines.append("Sharding: none, one GPU holds everything.")
    held = total * (FROZEN_BYTES if rank is not None else 4) / GIB
    lines.append(
        f"Assumed: {tokens} tokens per GPU and step (a longer sample has a step of its own), float32 "
        "masters, moments and averages, frozen weights in bfloat16 (where the device multiplies it). "
        f"While it starts, every process holds the whole model in main memory, {held:.1f} GiB. The "
        "autoencoder isn't counted: it encodes every picture once, between steps."
    )
    return "\n".join(lines)


def command(folder: Path | None, *, gpus: int, tokens: int, rank: int | None) -> str:
    """The command that trains as the figures assume."""
    several = f"accelerate launch --num_processes {gpus} -m engine.lab.training"
    start = several if gpus > 1 else "restroke train"
    words = [start, "unified --begin-from", str(folder or "BAGEL_FOLDER"), "--work runs/mine"]
    words += ["--plan pictures --pictures PARQUET_FOLDER --recompute", f"--tokens {tokens}"]
    words += ["--sharded"] if gpus > 1 else []
    return " ".join(words + ([f"--rank {rank}"] if rank is not None else []))


def dry_run(folder: Path | None, *, gpus: int, tokens: int, rank: int | None) -> str:
    """The report of a checkpoint folder, or of the public 7B's shape without one."""
    config = read_sizes(folder)[0] if folder else BAGEL_7B
    title = str(folder) if folder else "the shape of BAGEL-7B-MoT"
    text = report(config, gpus=gpus, tokens=tokens, rank=rank, title=title)
    return f"{text}\nOn one's own pictures:\n  {command(folder, gpus=gpus, tokens=tokens, rank=rank)}"
