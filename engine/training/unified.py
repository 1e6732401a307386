"""Trains the unified model from scratch on the storybook shards.

Short samples first, whole trajectories later (``mixture``). Losses: cross-entropy on the words the model
must write and on image-start, image-end and end tokens, squared error on the flow's velocity (bagel-format,
section 8). Every step draws its data and noise from seeds of its own number, so a resumed run goes on
exactly.
"""

from __future__ import annotations

import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from engine.checkpoints.special_tokens import SpecialTokens
from engine.model.bagel import Bagel
from engine.training.cells import CellHead
from engine.training.losses import training_losses
from engine.training.optimiser import MovingAverage, build_optimisers, rate_factor, set_rates
from engine.training.packing import Dropout, PackedBatch, Packer
from engine.training.precision import fast_precision
from engine.training.samples import FAMILIES, SampleMaker, length
from engine.training.state import load_state, save_state

WORD_WEIGHT, CELL_WEIGHT = 0.25, 0.1
MATRIX_RATE, OTHER_RATE = 3e-3, 1.5e-3
SAVE_EVERY = 180.0
TIMESTEP_SHIFT = 1.5
POOL = 128


@dataclass(frozen=True)
class Plan:
    """How long and how wide. ``minutes``: wall clock over all resumed runs; ``tokens``: a batch's size."""

    minutes: float
    tokens: int = 8192
    seed: int = 0
    device: str = "cpu"


def mixture(progress: float) -> dict[str, float]:
    """Share of batches of each family at ``progress`` in [0, 1]."""
    late = min(1.0, max(0.0, (progress - 0.25) / 0.5))
    return {
        "direct": 0.50 - 0.05 * late,
        "edit": 0.36 - 0.04 * late,
        "words": 0.06 - 0.03 * late,
        "whole": 0.08 + 0.12 * late,
    }


def make_batch(
    maker: SampleMaker, packer: Packer, family: str, rng: random.Random, budget: int
) -> PackedBatch:
    """Samples of one family and of similar length, up to ``budget`` tokens.

    Attention pads every sample to the longest, so a window of a sorted pool wastes least.
    """
    pool = [maker.draw(family, rng, packer.generator) for _ in range(POOL)]
    pool.sort(key=length)
    start, samples, size = rng.randrange(POOL), [], 0
    for place in (*range(start, POOL), *range(start - 1, -1, -1)):
        size += length(pool[place])
        if samples and size > budget:
            break
        samples.append(pool[place])
    return packer.pack(samples)


def train(work: Path, model: Bagel, maker: SampleMaker, tokens: SpecialTokens, plan: Plan) -> MovingAverage:
    """Trains (or resumes) in ``work`` until the plan's minutes are spent; returns the averaged weights.

    State: ``work/unified.state.safetensors`` every few minutes, the curve in ``work/unified.json``.
    """
    device = plan.device
    model.to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        cells = CellHead(model).to(device)
    modules = nn.ModuleDict({"model": model, "cells": cells})
    optimisers = build_optimisers(modules, MATRIX_RATE, OTHER_RATE)
    average = MovingAverage(model)
    state_path, log_path = work / "unified.state.safetensors", work / "unified.json"
    log = {"seconds": 0.0, "steps": 0, "images": 0, "curve": []}
    if state_path.exists():
        average.shadow = {
            k: v.to(device) for k, v in load_state(state_path, dict(modules), optimisers)["average"].items()
        }
        log = json.loads(log_path.read_text())
    packer = Packer(
        model.config,
        tokens,
        timestep_shift=TIMESTEP_SHIFT,
        dropout=Dropout(text=0.1, clean=0.0, seen=0.0),
        generator=torch.Generator(),
    )
    budget, started, before = plan.minutes * 60, time.monotonic(), log["seconds"]
    last_save, running = started, {f: [math.nan] * 3 for f in FAMILIES}
    bar = tqdm(total=round(budget), initial=round(before), unit="s", desc="unified")
    while (elapsed := before + time.monotonic() - started) < budget:
        progress = elapsed / budget
        step = log["steps"]
        rng = random.Random(f"{plan.seed}-{step}")
        packer.generator.manual_seed(rng.getrandbits(48))
        shares = mixture(progress)
        family = rng.choices(FAMILIES, [shares[f] for f in FAMILIES])[0]
        batch = make_batch(maker, packer, family, rng, plan.tokens).to(device)
        set_rates(optimisers, rate_factor(progress))
        with fast_precision(device):
            losses = training_losses(model, batch)
            cell_loss = cells.loss(batch)
        loss = WORD_WEIGHT * losses.ce_mean + losses.mse_mean + CELL_WEIGHT * cell_loss
        loss.backward()
        nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        average.update(model, step)
        log["steps"] += 1
        log["images"] += len(batch.mse_index) // 64
        remember(running[family], losses.ce_mean.item(), losses.mse_mean.item(), cell_loss.item())
        bar.update(round(before + time.monotonic() - started) - bar.n)
        if step % 20 == 0:
            bar.set_postfix({f: "/".join(f"{v:.3f}" for v in running[f]) for f in FAMILIES} | {"step": step})
        now = time.monotonic()
        if now - last_save > SAVE_EVERY or before + now - started >= budget:
            last_save = now
            log["seconds"] = before + now - started
            log["curve"].append(
                {k: log[k] for k in ("seconds", "steps", "images")} | {"ce/mse/cells": snapshot(running)}
            )
            save_state(state_path, dict(modules), optimisers, average=average.shadow)
            log_path.write_text(json.dumps(log, indent=1))
            maker.library.refresh()
            tqdm.write(json.dumps(log["curve"][-1]))
    bar.close()
    return average


def snapshot(running: dict[str, list[float]]) -> dict[str, list[float]]:
    """The means as they are now, of the families met so far: later ones must not rewrite the curve."""
    return {family: list(values) for family, values in running.items() if not math.isnan(values[0])}


def remember(running: list[float], *values: float) -> None:
    """Exponential means of the losses of a family."""
    for slot, value in enumerate(values):
        running[slot] = value if math.isnan(running[slot]) else 0.95 * running[slot] + 0.05 * value
