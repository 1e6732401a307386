"""The loop: trains the unified model on storybook samples, stage by stage, on any number of processes.

Losses: cross-entropy on the words the model must write and on image-start, image-end and end tokens,
squared error on the flow's velocity (as the public training code), and the auxiliary loss of what each cell
shows (``auxiliary_loss``). Every step draws its samples, noise and dropout from seeds of its own number: a
resumed run goes on exactly, and several processes (``accelerate launch``) take the same steps as one, if
those have a sample for each.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor, nn
from tqdm import tqdm

from engine.checkpoints.tokenizer import SpecialTokens
from engine.lab.training.auxiliary_loss import CellHead
from engine.lab.training.batch import PackedBatch
from engine.lab.training.losses import training_losses
from engine.lab.training.optimiser import MovingAverage, build_optimisers, rate_factor, set_rates
from engine.lab.training.packing import Dropout, NoisedSplit, Packer, Split
from engine.lab.training.precision import multiplies_bfloat16
from engine.lab.training.sharding import recompute_layers, shard, spread
from engine.lab.training.stages import Stage
from engine.lab.training.state import load_state, read_log, save_state
from engine.model.bagel import Bagel

WORD_WEIGHT, CELL_WEIGHT = 0.25, 0.1
SAVE_EVERY = 180.0
RECORD_EVERY = 20
POOL = 128
DROPOUT = Dropout(text=0.1, vae=0.3, vit=0.0)
"""As IRG leaves out clean pictures; what it sees stays (arXiv 2509.06945).

In storybook samples only texts may be left out: contexts without a picture are samples of their own.
"""
MICRO_BATCH = 2048
"""Tokens of a forward pass. Small batches stay in a CPU's cache.

2048 tokens are 1.2 to 1.6 times as fast as 8192. A model that is split over processes takes a step whole,
so that all run the same number of passes.
"""
PATIENCE = timedelta(hours=12)
"""How long processes wait for the one that writes a stage's shards."""


@dataclass(frozen=True)
class TrainingRun:
    """What a training is besides its stages.

    ``is_sharded`` splits the model over the processes, ``recomputes`` runs layers again in the backward pass.
    """

    stages: list[Stage]
    seed: int = 0
    device: str = "cpu"
    is_sharded: bool = False
    recomputes: bool = False

    def at(self, step: int) -> tuple[Stage, float]:
        """The stage of a step and how far into it, in [0, 1). Raises ``IndexError`` behind the last."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step / stage.steps
            step -= stage.steps
        raise IndexError("the training has no such step")

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    @property
    def ends(self) -> set[int]:
        """How many steps are done at the end of each stage."""
        return set(accumulate(stage.steps for stage in self.stages))


class Sampler(Protocol):
    """Where samples come from: the storybook's shards, or pictures of one's own."""

    def draw(self, family: str, rng: random.Random, generator: torch.Generator) -> list[Split]: ...


class TrainingModule(nn.Module):
    """Model and cell head as one module, so that data-parallel training sees all there is to train."""

    def __init__(self, model: Bagel) -> None:
        super().__init__()
        self.model, self.cells = model, CellHead(model)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Sums of the losses over their terms (words, velocities, cells), [3]; see :func:`count_terms`."""
        losses = training_losses(self.model, batch)
        return torch.stack([losses.ce.sum(), losses.mse.sum(), self.cells.loss(batch)])


def count_terms(batches: list[PackedBatch]) -> Tensor:
    """How many terms the three losses of a step have, [3]."""
    return torch.tensor(
        [
            sum(len(batch.ce_index) for batch in batches),
            sum(batch.velocity.numel() for batch in batches),
            sum(len(batch.cover) + len(batch.seen_cover) for batch in batches),
        ]
    )


def draw_samples(
    sampler: Sampler,
    family: str,
    rng: random.Random,
    generator: torch.Generator,
    budget: int,
    length: Callable[[list[Split]], int],
    *,
    least: int = 1,
) -> list[list[Split]]:
    """Samples of one family and of similar ``length``, up to ``budget`` tokens, but ``least`` at any rate.

    Attention pads every sample to the longest, so a window of a sorted pool wastes least.
    """
    pool = [sampler.draw(family, rng, generator) for _ in range(POOL)]
    pool.sort(key=length)
    start, size = rng.randrange(POOL), 0
    samples: list[list[Split]] = []
    for index in (*range(start, POOL), *range(start - 1, -1, -1)):
        size += length(pool[index])
        if len(samples) >= least and size > budget:
            break
        samples.append(pool[index])
    return samples


def micro_batches(
    samples: list[list[Split]], packer: Packer, seed: int, accelerator: Accelerator, most: float
) -> list[PackedBatch]:
    """This process's share of a step, in micro-batches of about ``most`` tokens.

    Every sample has the noise it would have in a single process.
    """
    rank, processes = accelerator.process_index, accelerator.num_processes
    shares: list[tuple[list[list[Split]], list[int]]] = []
    room = 0.0
    for number in range(rank, len(samples), processes):
        if not shares or room < packer.tokens_of(samples[number]):
            shares.append(([], []))
            room = most
        shares[-1][0].append(samples[number])
        shares[-1][1].append(seed + number)
        room -= packer.tokens_of(samples[number])
    return [packer.pack(*share).to(accelerator.device) for share in shares]


def processes(device: str) -> Accelerator:
    """The processes that train together; a single one unless ``accelerate launch`` started more."""
    return Accelerator(
        cpu=device == "cpu",
        mixed_precision="bf16" if multiplies_bfloat16(device) else "no",
        # A batch of prompts alone leaves the vision encoder without gradients.
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=True),
            InitProcessGroupKwargs(timeout=PATIENCE),
        ],
    )


def train(
    work: Path,
    model: Bagel,
    sample_source: Callable[[Stage], Sampler],
    tokens: SpecialTokens,
    run: TrainingRun,
) -> MovingAverage:
    """Trains (or resumes) in ``work`` to the end of the stages; returns the averaged weights.

    ``sample_source`` gives a stage its sampler when it begins. The state is in
    ``work/unified.state.safetensors``, written every few minutes and at the end of every stage, the curve in
    ``work/unified.json``.
    """
    accelerator = processes(run.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        whole = TrainingModule(model)
    if accelerator.mixed_precision == "bf16":
        for parameter in whole.parameters():
            if not parameter.requires_grad:  # beside adapters: only multiplied with, never changed
                parameter.data = parameter.data.bfloat16()
    if run.recomputes:
        recompute_layers(model)
    if run.is_sharded:
        shard(whole, model, accelerator)  # puts a unit at a time on the device
    else:
        whole.to(accelerator.device)
    optimisers = build_optimisers(whole, run.stages[0].matrix_rate, run.stages[0].other_rate)
    average = MovingAverage(model, run.steps)
    log = resume(work, whole, optimisers, average)
    module = whole if run.is_sharded else accelerator.prepare(whole)
    packer = Packer(
        model.config,
        tokens,
        dropout=DROPOUT,
        generator=torch.Generator(),
    )
    weigh = torch.tensor([WORD_WEIGHT, 1.0, CELL_WEIGHT], device=accelerator.device)
    started = last_save = time.monotonic()
    before = log["seconds"]
    bar = tqdm(total=run.steps, initial=log["steps"], desc="unified", disable=not accelerator.is_main_process)
    current: Stage | None = None
    while log["steps"] < run.steps:
        step = log["steps"]
        stage, progress = run.at(step)
        if stage is not current:
            with accelerator.main_process_first():
                current, sampler, packer.shift = stage, sample_source(stage), stage.shift
        rng = random.Random(f"{run.seed}-{step}")
        seed = rng.getrandbits(48)
        shares = stage.shares(progress)
        family = rng.choices(list(shares), list(shares.values()))[0]
        samples = draw_samples(
            sampler,
            family,
            rng,
            torch.Generator().manual_seed(seed),
            stage.tokens,
            packer.tokens_of,
            least=accelerator.num_processes,
        )
        most = math.inf if run.is_sharded else MICRO_BATCH
        batches = micro_batches(samples, packer, seed, accelerator, most)
        factor = rate_factor(progress, schedule=stage.schedule)
        set_rates(optimisers, stage.matrix_rate, stage.other_rate, factor)
        counts = accelerator.reduce(count_terms(batches).to(accelerator.device), "sum").clamp(min=1)
        # Gradients are averaged over the processes; every term counts the same wherever it was computed.
        weights = accelerator.num_processes * weigh / counts
        sums = torch.zeros(3, device=accelerator.device)
        for number, batch in enumerate(batches, 1):
            waits = accelerator.no_sync(module) if number < len(batches) else nullcontext()
            with waits:
                found = module(batch)
                accelerator.backward((found * weights).sum())
            sums += found.detach()
        accelerator.clip_grad_norm_(module.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        average.update(model, step)
        # Saving gathers from all processes, and their clocks differ: what one finds due is due for all.
        is_due = torch.tensor([float(time.monotonic() - last_save > SAVE_EVERY)], device=accelerator.device)
        *sums, due = accelerator.reduce(torch.cat([sums, is_due]), "sum").unbind()
        means = (torch.stack(sums) / counts).tolist()
        log["steps"] += 1
        log["images"] += sum(isinstance(split, NoisedSplit) for sample in samples for split in sample)
        record(log, family, stage.name, means, before + time.monotonic() - started)
        bar.update()
        if step % RECORD_EVERY == 0:
            bar.set_postfix({f: "/".join(f"{v:.3f}" for v in values) for f, values in log["means"].items()})
        if due or log["steps"] in run.ends:
            last_save = time.monotonic()
            save_state(
                work / "unified.state.safetensors",
                dict(whole.named_children()),
                optimisers,
                log,
                writes=accelerator.is_main_process,
                average=average.shadow,
            )
    bar.close()
    accelerator.end_training()
    return average


def resume(
    work: Path, module: TrainingModule, optimisers: list[torch.optim.Optimizer], average: MovingAverage
) -> dict:
    """Restores what ``work`` holds into its arguments and returns the log, or a fresh one."""
    path = work / "unified.state.safetensors"
    if not path.exists():
        return {"seconds": 0.0, "steps": 0, "images": 0, "means": {}, "curve": []}
    found = load_state(path, dict(module.named_children()), optimisers)["average"]
    average.shadow = {k: spread(v.to(average.shadow[k].device), average.shadow[k]) for k, v in found.items()}
    return read_log(path)


def record(log: dict, family: str, stage: str, losses: list[float], seconds: float) -> None:
    """Keeps the running means by family and, now and then, a point of the curve."""
    log["seconds"] = seconds
    means = log["means"].get(family)
    log["means"][family] = (
        losses if means is None else [0.95 * m + 0.05 * v for m, v in zip(means, losses, strict=True)]
    )
    if log["steps"] % RECORD_EVERY == 0:
        point = {key: log[key] for key in ("seconds", "steps", "images")}
        rounded = {f: [round(v, 5) for v in values] for f, values in log["means"].items()}
        log["curve"].append(point | {"stage": stage, "ce/mse/cells": rounded})
