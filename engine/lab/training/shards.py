"""Shards: scripts with their pictures rendered and encoded, so that training never runs the autoencoder.

A shard is two files. ``shard-NNNNN.safetensors`` holds, picture by picture, ``latents`` [N, z, h, w] float16
(posterior means, scaled), ``seen`` [N, 128, 128, 3] uint8 (what the vision encoder is shown) and ``cover``
[N, 2, 16, 16] uint8 (which kind and colour fills each cell). ``shard-NNNNN.json`` holds the
scripts of each protocol, and for every picture some prompts that it answers. Shard number, seed and variant
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

from engine.core.atomic_write import write_text
from engine.lab.storybook.drawing.cells import cover
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.language import sentences
from engine.lab.storybook.scene.palette import SIDE
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.artist_edits import artist_script
from engine.lab.training.data.cases import conflict_script, mismatch_script
from engine.lab.training.data.irg import own_pictures, sample_irg_script
from engine.lab.training.data.process import process_script
from engine.lab.training.data.sampled import painted_picture, read_scripts
from engine.lab.training.data.script import Part, Rough, Script, Shown, direct_parts, seen_in
from engine.lab.training.data.split import sample_training_scene
from engine.lab.training.data.variants import DataVariant
from engine.lab.training.precision import fast_precision
from engine.model.autoencoder import Autoencoder

SEEN_SIDE = 128
SAMPLED_SHARE = 0.35
"""Share of trajectories that come from a model's own sketches, where there are any."""

CASES_SHARE = 0.2
"""Share of trajectories with invented mistakes that are about one inspection, in the papers' shares."""

SHARES = {"single": 0.2, "artist": 0.2, "irg": 0.2, "process": 0.4}
"""Shares of scripts: one picture and its prompts, wishes of the artist, irg, trajectories."""

ROUGH_SIDE = 56
"""A rough picture was once this small: its edges are as soft as those of a model that trained too little."""

USUAL = DataVariant()

PROMPTS = 3
"""Wordings of the prompt of every picture."""


@dataclass
class EncodedScript:
    """A script whose image parts point at rows of ``latents``, ``seen`` and ``cover``."""

    parts: list[Part]
    latents: Tensor
    seen: Tensor
    cover: Tensor


def make_scripts(
    number: int, seed: int, count: int, variant: DataVariant = USUAL, sampled: Sequence[Script] = ()
) -> list[Script]:
    """The scripts of shard ``number``: trajectories of the process and of irg, and scenes that stand alone.

    Scripts from a model's own sketches (``sampled``) are among the trajectories where the variant takes its
    critiques from them, and lend irg their weak pictures. Raises ``ValueError`` if such a variant has none.
    """
    if variant.self_samples and not sampled:
        raise ValueError(
            "critiques that are self-sampled need scripts from a model's own sketches: --sampled"
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
        elif variant.self_samples and rng.random() < SAMPLED_SHARE:
            found.append(rng.choice(sampled))
        elif variant.corrupts and rng.random() < CASES_SHARE:
            found.append(rng.choice((conflict_script, mismatch_script))(rng))
        else:
            found.append(process_script(rng, varied=variant.varied, may_fail=variant.corrupts))
    return found


def picture(shown: Shown, sampled: Path | None) -> Image.Image:
    """What is shown as RGB, 256 × 256; a painted picture comes from the folder ``sampled``."""
    if isinstance(shown, Scene):
        return render(shown)
    if isinstance(shown, Rough):
        small = render(shown.seen).resize((ROUGH_SIDE, ROUGH_SIDE), Image.Resampling.BICUBIC)
        return small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    if sampled is None:
        raise ValueError(f"the painted picture {shown.name} needs the folder that its script was read from")
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
    variant: DataVariant = USUAL,
    sampled: Path | None = None,
) -> None:
    """Renders and encodes one shard; a shard that exists is left alone.

    ``sampled`` is a folder of scripts from a model's own sketches (``data.sampled``).
    """
    target = shard_path(folder, number)
    if target.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    words = random.Random(f"prompts-{seed}-{number}")
    scenes: list[Shown] = []
    scripts: dict[str, list] = {"process": [], "irg": []}
    for script in make_scripts(number, seed, count, variant, read_scripts(sampled) if sampled else ()):
        if script.parts:
            parts = [asdict(part) | {"scene": part.scene + len(scenes)} for part in script.parts]
            scripts[script.protocol].append(parts)
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
    write_text(target, json.dumps({"lessons": scripts, "prompts": prompts}))


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
    variant: DataVariant = USUAL,
    sampled: Path | None = None,
) -> None:
    """The first ``shards`` shards of ``count`` scripts each."""
    for number in tqdm(range(shards), desc=f"shards, {variant.name}"):
        write_shard(
            folder, number, model, seed=seed, count=count, device=device, variant=variant, sampled=sampled
        )


class ShardDataset:
    """All scripts of a folder of shards; :meth:`refresh` picks up shards written since.

    ``direct`` has every picture under each of its prompts, ``process`` and ``irg`` the whole trajectories.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.direct: list[EncodedScript] = []
        self.process: list[EncodedScript] = []
        self.irg: list[EncodedScript] = []
        self._read: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        for index in sorted(self.folder.glob("shard-*.json")):
            if index.name in self._read:
                continue
            self._read.add(index.name)
            tensors = load_file(index.with_suffix(".safetensors"))
            found = json.loads(index.read_text())
            for protocol, scripts in found["lessons"].items():
                told = (EncodedScript([Part(**part) for part in parts], **tensors) for parts in scripts)
                getattr(self, protocol).extend(told)
            for row, prompts in enumerate(found["prompts"]):
                self.direct += [EncodedScript(direct_parts(text, row), **tensors) for text in prompts]
