"""The tiny checkpoint of the recorded outputs of the public reference model (random weights), loaded once."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import torch

from engine.checkpoints.reader import Checkpoint, load_checkpoint
from engine.inference.context_cache import ContextCache
from engine.inference.prefill import ContextItem, TextTokens, VaeImage, VitImage

FOLDER = Path(__file__).parent / "fixtures" / "bagel-tiny"
CKPT = FOLDER / "ckpt"


@cache
def checkpoint() -> Checkpoint:
    """The checkpoint in float32."""
    torch.set_num_threads(1)
    return load_checkpoint(CKPT)


def small_pictures(target: Path, **extras: list[int]) -> Path:
    """A copy of the checkpoint in ``target`` that looks at small pictures, so that it is quick."""
    shutil.copytree(CKPT, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | extras))
    return target


def new_cache(budget_bytes: int = 2**30, host_bytes: int = 0) -> ContextCache:
    """An empty context cache over it."""
    return ContextCache(checkpoint().model, checkpoint().tokenizer.tokens, budget_bytes, host_bytes)


def text(words: str) -> TextTokens:
    return TextTokens(tuple(checkpoint().tokenizer.encode(words)))


def picture(seed: int) -> list[ContextItem]:
    """The two items of a made-up picture of 32x48 pixels."""
    generator = torch.Generator().manual_seed(seed)
    latent = torch.randn(16, 4, 6, generator=generator)
    pixels = torch.rand(3, 28, 42, generator=generator) * 2 - 1
    return [VaeImage(f"made {seed}", lambda: latent), VitImage(f"made {seed}", lambda: pixels)]
