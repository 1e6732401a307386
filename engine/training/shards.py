"""Shards: scripts with their pictures rendered and encoded, so that training never runs the autoencoder.

A shard is two files: ``shard-NNNNN.safetensors`` with ``latents`` [N, z, h, w] float16 (posterior means,
scaled) and ``seen`` [N, 128, 128, 3] uint8 (what the vision encoder is shown), and ``shard-NNNNN.json`` with
the scripts. Shard number and seed determine the content.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from engine.model.autoencoder import Autoencoder
from engine.training.scripts import Part, Script, direct_script, process_script
from engine.world.render import render

SEEN_SIDE = 128
DIRECT_SHARE = 0.45
DIRECT_FROM = 10_000


@dataclass
class Lesson:
    """A script whose image parts point at rows of ``latents`` and ``seen``."""

    parts: list[Part]
    latents: Tensor
    seen: Tensor

    @property
    def is_direct(self) -> bool:
        return len(self.parts) == 2


def write_scripts(number: int, seed: int, count: int) -> list[Script]:
    """The scripts of shard ``number``: prompts and trajectories; from ``DIRECT_FROM`` on prompts alone."""
    rng = random.Random(f"scripts-{seed}-{number}")
    share = 1.0 if number >= DIRECT_FROM else DIRECT_SHARE
    return [direct_script(rng) if rng.random() < share else process_script(rng) for _ in range(count)]


@torch.inference_mode()
def encode_pictures(model: Autoencoder, pictures: np.ndarray, device: str, batch: int = 16) -> Tensor:
    """uint8 ``[N, H, W, 3]`` -> float16 latents ``[N, z, h, w]`` (posterior means)."""
    found = []
    for start in range(0, len(pictures), batch):
        pixels = torch.from_numpy(pictures[start : start + batch]).to(device).permute(0, 3, 1, 2).float()
        pixels = (pixels / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            found.append(model.encode(pixels).to(torch.float16).cpu())
    return torch.cat(found).contiguous()


def write_shard(folder: Path, number: int, model: Autoencoder, *, seed: int, count: int, device: str) -> None:
    """Renders and encodes one shard; a shard that exists is left alone."""
    target = folder / f"shard-{number:05d}.json"
    if target.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    scripts = write_scripts(number, seed, count)
    pictures, records = [], []
    for script in scripts:
        offset = len(pictures)
        pictures += [render(scene) for scene in script.scenes]
        parts = [
            asdict(part) | ({"scene": part.scene + offset} if part.kind == "image" else {})
            for part in script.parts
        ]
        records.append(parts)
    latents = encode_pictures(model, np.stack([np.asarray(p) for p in pictures]), device)
    seen = [np.asarray(p.resize((SEEN_SIDE, SEEN_SIDE), Image.Resampling.BICUBIC)) for p in pictures]
    save_file(
        {"latents": latents, "seen": torch.from_numpy(np.stack(seen))}, target.with_suffix(".safetensors")
    )
    part = target.with_suffix(".part")
    part.write_text(json.dumps(records))
    part.replace(target)


def write_shards(
    folder: Path, model: Autoencoder, *, shards: int, direct: int = 0, seed: int, count: int, device: str
) -> None:
    """``shards`` mixed shards and ``direct`` shards of prompts with their pictures alone."""
    for number in tqdm([*range(shards), *range(DIRECT_FROM, DIRECT_FROM + direct)], desc="shards"):
        write_shard(folder, number, model, seed=seed, count=count, device=device)


class Library:
    """All lessons of a folder of shards; :meth:`refresh` picks up shards written since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.direct: list[Lesson] = []
        self.process: list[Lesson] = []
        self._read: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        for index in sorted(self.folder.glob("shard-*.json")):
            if index.name in self._read:
                continue
            self._read.add(index.name)
            tensors = load_file(index.with_suffix(".safetensors"))
            for record in json.loads(index.read_text()):
                lesson = Lesson([Part(**part) for part in record], tensors["latents"], tensors["seen"])
                (self.direct if lesson.is_direct else self.process).append(lesson)
