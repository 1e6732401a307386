"""A recorded folder opened: its checkpoint, inputs, transforms, and the contexts of the reference.

What a folder doesn't state outright (picture transforms, the system prompts of the think cases) is
inferred from what it recorded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from engine.checkpoints.reader import load_checkpoint
from engine.inference.context_cache import ContextCache
from engine.inference.decoding import EagerDecoder
from engine.inference.pictures import picture_items
from engine.inference.prefill import Context, ContextItem, TextTokens, VitImage
from engine.inference.preprocess import Transform, normalised, to_rgb
from engine.inference.text import decode, readable
from engine.lab.parity.golden import Golden

Triple = tuple[int, int, int]


class Fixture:
    """The folder's model and everything the cases share. Float32 on the CPU."""

    def __init__(self, folder: Path, vae: Triple | None = None, vit: Triple | None = None) -> None:
        self.folder, self.golden = folder, folder / "golden"
        self.checkpoint = load_checkpoint(folder / "ckpt")
        self.model, self.autoencoder = self.checkpoint.model, self.checkpoint.autoencoder
        self.tokenizer, self.tokens = self.checkpoint.tokenizer, self.checkpoint.tokenizer.tokens
        self.cache = ContextCache(self.model, self.tokens)
        self.preprocess = self._recorded("preprocess")
        config = self.model.config
        self.vae = self._transform("vae", vae, config.latent_downsample)
        self.vit = self._transform("vit", vit, config.vision.patch_size)

    def _recorded(self, stem: str) -> Any:
        path = self.golden / f"{stem}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def is_picture(self, given: str) -> bool:
        """Whether a recorded input is a picture file rather than a text."""
        return given.startswith("inputs/") and (self.folder / given).is_file()

    def image(self, name: str) -> Image.Image:
        """An input picture, as RGB."""
        return to_rgb(Image.open(self.folder / name))

    def _transform(self, kind: str, given: Triple | None, unit: int) -> Transform:
        """The usual transform: given, stated, or the listed one that makes the recorded sizes."""
        if given:
            return Transform(*given)
        stated = self.checkpoint.extras.get(f"{kind}_transform")
        if stated:
            return Transform(*stated)
        tried = []
        for candidate in self._candidates(kind):
            if candidate.stride % unit == 0 and candidate not in tried:
                tried.append(candidate)
                if all(candidate.size(*image.size) == size for image, size in self._recorded_sizes(kind)):
                    return candidate
        raise ValueError(
            f"none of {tried} makes the recorded picture sizes; give --{kind}-transform MAX MIN STRIDE"
        )

    def _candidates(self, kind: str) -> Iterator[Transform]:
        readme = self.folder / "README.md"
        if readme.exists():
            text = readme.read_text(encoding="utf-8")
            for found in re.findall(rf"(?i:{kind})\s*\((\d+),\s*(\d+),\s*(\d+)\)", text):
                yield Transform(*map(int, found))
        names = ("max_image_size", "min_image_size", "image_stride", "max_pixels")
        listed = self.preprocess.get("transform_params", {})
        for name in sorted(listed, key=lambda name: kind not in name):
            yield Transform(*(listed[name][part] for part in names))

    def _recorded_sizes(self, kind: str) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
        """Pictures that went through the transform, with the (width, height) they came out with."""
        vit = Golden(self.golden, "vit")
        if kind == "vae":
            if (self.golden / "vae.json").exists():
                recorded = Golden(self.golden, "vae")
                yield self.image(recorded.json["input"]), _size(recorded["pixels"])
            if "edit_vae_pixels" in vit:
                yield self.image(vit.json["edit_input"]), _size(vit["edit_vae_pixels"])
        elif "pixels" in vit:
            yield self.image(vit.json["input"]), _size(vit["pixels"])
            if "edit_vit_pixels" in vit:
                yield self.vae.resize(self.image(vit.json["edit_input"])), _size(vit["edit_vit_pixels"])

    def system_prompts(self) -> list[str]:
        """Texts a think case may have begun with: recorded ones that speak of thinking, then all others."""
        texts = [case["text"] for case in self._recorded("tokens").get("cases", [])]
        texts += [self._recorded("irg")["system_prompt"]] if (self.golden / "irg.json").exists() else []
        return sorted(dict.fromkeys(texts), key=lambda text: "<think>" not in text)

    def text(self, text: str) -> TextTokens:
        """A text as the reference encodes it: special-token strings are control tokens."""
        return TextTokens(tuple(self.tokenizer.encode_reference(text)))

    def seen(self, image: Image.Image, name: str) -> VitImage:
        """The vision segment alone of an RGB picture, not resized for the autoencoder first."""
        return VitImage(name, lambda: self.vit.pixels(image))

    def picture(self, image: Image.Image, name: str, noise: Tensor | None = None) -> list[ContextItem]:
        """Both segments of an RGB picture; ``noise`` samples the posterior."""
        return picture_items(name, lambda: self.vae.resize(image), lambda i: self.latent(i, noise), self.vit)

    @torch.inference_mode()
    def latent(self, image: Image.Image, noise: Tensor | None = None) -> Tensor:
        """Clean latents [z, h, w] of a resized RGB picture."""
        return self.autoencoder.encode(normalised(image)[None], noise)[0]

    def context(self, items: Sequence[ContextItem]) -> Context:
        return self.cache.build(items)[0]

    def write(self, context: Context, max_length: int) -> Written:
        """Greedy text as the reference counts it: ``max_length`` predictions, the last one thrown away."""
        steps = list(decode(EagerDecoder(self.model), self.tokens, context, max_new_tokens=max_length))
        ended = steps[-1].finish == "eos"
        ids = [step.id for step in steps][: len(steps) - 1]
        return Written(self, [self.tokens.bos, *ids], torch.stack([s.logits for s in steps]), ended)


class Written:
    """A greedy text: ids with the leading bos, logits of every prediction, and whether it ended itself."""

    def __init__(self, fixture: Fixture, ids: list[int], logits: Tensor, ended: bool) -> None:
        self.ids, self.logits, self.ended = ids, logits, ended
        self.text = readable(fixture.tokenizer, ids)

    @property
    def gaps(self) -> Tensor:
        """How far the best logit is ahead of the second, by prediction."""
        best = self.logits.topk(2, dim=-1).values
        return best[:, 0] - best[:, 1]


def _size(pixels: Tensor) -> tuple[int, int]:
    return pixels.shape[2], pixels.shape[1]
