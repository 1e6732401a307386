"""Shards: scripts with their pictures rendered and encoded, so that training never runs the autoencoder.

A shard is two files. ``shard-NNNNN.safetensors`` holds, picture by picture, ``latents`` [N, z, h, w] float16
(posterior means, scaled), ``seen`` [N, 128, 128, 3] uint8 (what the vision encoder is shown) and ``cover``
[N, 2, 16, 16] uint8 (which kind and colour fills each cell). ``shard-NNNNN.json`` holds the
lessons of each protocol, and for every picture some prompts that it answers. Shard number, seed and arm
determine the content.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from engine.lab.storybook.drawing.cells import cover
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.language import sentences
from engine.lab.storybook.scene.palette import SIDE
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.artist import artist_script
from engine.lab.training.data.cases import conflict_script, mismatch_script
from engine.lab.training.data.irg import own_pictures, sample_irg_script
from engine.lab.training.data.process import process_script
from engine.lab.training.data.sampled import painted_picture, read_lessons
from engine.lab.training.data.script import Part, Rough, Script, Shown, direct_parts, seen_in
from engine.lab.training.data.split import sample_training_scene
from engine.lab.training.data.variants import Arm
from engine.lab.training.precision import fast_precision
from engine.model.autoencoder import Autoencoder

SEEN_SIDE = 128
SAMPLED_SHARE = 0.35
"""Share of trajectories that come from a model's own sketches, where there are any."""

CASES_SHARE = 0.2
"""Share of trajectories with invented mistakes that are about one inspection, in the papers' shares."""

SHARES = {"single": 0.2, "artist": 0.2, "irg": 0.2, "process": 0.4}
"""Shares of scripts: one picture and its prompts, wishes of the artist, lessons of irg, trajectories."""

ROUGH_SIDE = 56
"""A rough picture was once this small: its edges are as soft as those of a model that trained too little."""

USUAL = Arm()

PROMPTS = 3
"""Wordings of the prompt of every picture."""


@dataclass
class Lesson:
    """A script whose image parts point at rows of ``latents``, ``seen`` and ``cover``."""

    parts: list[Part]
    latents: Tensor
    seen: Tensor
    cover: Tensor


def write_scripts(
    number: int, seed: int, count: int, arm: Arm = USUAL, sampled: Sequence[Script] = ()
) -> list[Script]:
    """The scripts of shard ``number``: trajectories of the process and of irg, and scenes that stand alone.

    Lessons from a model's own sketches (``sampled``) are among the trajectories where the arm has its
    critiques from them, and lend irg their weak pictures. Raises ``ValueError`` for that arm without them.
    """
    if arm.samples and not sampled:
        raise ValueError(
            "critiques that are self-sampled need lessons from a model's own sketches: --sampled"
        )
    rng = random.Random(f"scripts-{seed}-{number}")
    own = list(own_pictures(sampled))
    kinds = rng.choices(list(SHARES), list(SHARES.values()), k=count)
    found = []
    for kind in kinds:
        if kind == "single":
            found.append(Script(scenes=[sample_training_scene(rng)]))
        elif kind == "artist":
            found.append(artist_script(rng))
        elif kind == "irg":
            found.append(sample_irg_script(rng, own))
        elif arm.samples and rng.random() < SAMPLED_SHARE:
            found.append(rng.choice(sampled))
        elif arm.invents and rng.random() < CASES_SHARE:
            found.append(rng.choice((conflict_script, mismatch_script))(rng))
        else:
            found.append(process_script(rng, varied=arm.varied, may_fail=arm.invents))
    return found


def picture(shown: Shown, sampled: Path | None) -> Image.Image:
    """What is shown as RGB, 256 × 256; a painted picture comes from the folder ``sampled``."""
    if isinstance(shown, Scene):
        return render(shown)
    if isinstance(shown, Rough):
        small = render(shown.seen).resize((ROUGH_SIDE, ROUGH_SIDE), Image.Resampling.BICUBIC)
        return small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    if sampled is None:
        raise ValueError(f"the painted picture {shown.name} needs the folder that its lessons were read from")
    return painted_picture(sampled, shown).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


@torch.inference_mode()
def encode_pictures(model: Autoencoder, pictures: np.ndarray, device: str, batch: int = 4) -> Tensor:
    """uint8 ``[N, H, W, 3]`` -> float16 latents ``[N, z, h, w]`` (posterior means)."""
    found = []
    for start in range(0, len(pictures), batch):
        pixels = torch.from_numpy(pictures[start : start + batch]).to(device).permute(0, 3, 1, 2).float()
        pixels = (pixels / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        with fast_precision(device):
            found.append(model.encode(pixels).to(torch.float16).cpu())
    return torch.cat(found).contiguous()


def write_shard(
    folder: Path,
    number: int,
    model: Autoencoder,
    *,
    seed: int,
    count: int,
    device: str,
    arm: Arm = USUAL,
    sampled: Path | None = None,
) -> None:
    """Renders and encodes one shard; a shard that exists is left alone.

    ``sampled`` is a folder of lessons from a model's own sketches (``data.sampled``).
    """
    target = shard_path(folder, number)
    if target.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    words = random.Random(f"prompts-{seed}-{number}")
    scenes: list[Shown] = []
    lessons: dict[str, list] = {"process": [], "irg": []}
    for script in write_scripts(number, seed, count, arm, read_lessons(sampled) if sampled else ()):
        if script.parts:
            parts = [asdict(part) | {"scene": part.scene + len(scenes)} for part in script.parts]
            lessons[script.protocol].append(parts)
        scenes += script.scenes
    pictures = [picture(scene, sampled) for scene in scenes]
    seen = [np.asarray(p.resize((SEEN_SIDE, SEEN_SIDE), Image.Resampling.BICUBIC)) for p in pictures]
    tensors = {
        "latents": encode_pictures(model, np.stack([np.asarray(p) for p in pictures]), device),
        "seen": torch.from_numpy(np.stack(seen)),
        "cover": torch.from_numpy(np.stack([cover(seen_in(scene)) for scene in scenes])),
    }
    save_file(tensors, target.with_suffix(".safetensors"))
    prompts = [
        [sentences.prompt(scene, words) for _ in range(PROMPTS)] if isinstance(scene, Scene) else []
        for scene in scenes
    ]
    part = target.with_suffix(".part")
    part.write_text(json.dumps({"lessons": lessons, "prompts": prompts}))
    part.replace(target)


def shard_path(folder: Path, number: int) -> Path:
    """The file that is there when a shard is."""
    return folder / f"shard-{number:05d}.json"


def write_shards(
    folder: Path,
    model: Autoencoder,
    *,
    shards: int,
    seed: int,
    count: int,
    device: str,
    arm: Arm = USUAL,
    sampled: Path | None = None,
) -> None:
    """The first ``shards`` shards of ``count`` scripts each."""
    for number in tqdm(range(shards), desc=f"shards, {arm.name}"):
        write_shard(folder, number, model, seed=seed, count=count, device=device, arm=arm, sampled=sampled)


class Library:
    """All lessons of a folder of shards; :meth:`refresh` picks up shards written since.

    ``direct`` has every picture under each of its prompts, ``process`` and ``irg`` the whole trajectories.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.direct: list[Lesson] = []
        self.process: list[Lesson] = []
        self.irg: list[Lesson] = []
        self._read: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        for index in sorted(self.folder.glob("shard-*.json")):
            if index.name in self._read:
                continue
            self._read.add(index.name)
            tensors = load_file(index.with_suffix(".safetensors"))
            found = json.loads(index.read_text())
            for protocol, lessons in found["lessons"].items():
                told = (Lesson([Part(**part) for part in parts], **tensors) for parts in lessons)
                getattr(self, protocol).extend(told)
            for row, prompts in enumerate(found["prompts"]):
                self.direct += [Lesson(direct_parts(text, row), **tensors) for text in prompts]
