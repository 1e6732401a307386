"""From scripts to training samples: which stretch of a script is shown, and where the losses fall.

Short stretches teach quickly (prompt → image; image + plan → image; image → words); whole trajectories
teach the grammar. All are the same tokens in the same order as the running protocols use.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.checkpoints.tokenizer import SpecialTokens
from engine.lab.training.data.irg import MODES, Mode, image_free, parts_of, sample_irg_script, text_free
from engine.lab.training.data.process import process_script
from engine.lab.training.data.script import Part
from engine.lab.training.packing import NoisedSplit, Split, TextSplit, VaeSplit, VitSplit
from engine.lab.training.shards import EncodedScript, ShardDataset

CONTEXT_NOISE = 0.08
"""Noise on context latents: at run time the context holds the model's own, slightly soft, pictures."""

COPIES = {"direct": 2, "edit": 3, "initial full": 2, "improving full": 3}
"""How often a target is shown, each time under noise of its own: what comes before it is paid for once.

A noised image is seen by nobody and takes no position, so copies do not know of each other.
"""

GUIDANCE_CONTEXTS = 0.1
"""How often a picture of irg is drawn in a guidance context: without its text, or without the one before."""

THOUGHTS = 0.2
"""The share of told sessions that are a prompt and the thought about it."""

FAMILIES = ("direct", "edit", "words", "whole", "told", "look", *MODES, "pictures")
"""The modes of irg are families of their own: the full ones are the protocols think and irg.

The last is not of the storybook: one's own pictures (``engine.lab.training.conversations``).
"""


class StorybookSampler:
    """Draws samples of a family. ``encode`` turns text into ids without bos and eos.

    ``learns_rejected``: sketches that the next inspection rejects are targets too, not mere context.
    """

    def __init__(
        self,
        dataset: ShardDataset,
        encode: Callable[[str], Sequence[int]],
        tokens: SpecialTokens,
        *,
        learns_rejected: bool = False,
    ) -> None:
        self.dataset, self._encode, self.tokens = dataset, encode, tokens
        self.learns_rejected = learns_rejected
        self._follow = {
            "text": tokens.bos,
            "image": tokens.start_of_image,
            "end": tokens.end_of_text,
            None: None,
        }
        self._cache: dict[str, list[int]] = {}

    def draw(self, family: str, rng: random.Random, generator: torch.Generator) -> list[Split]:
        """One sample of ``family``, one of :data:`FAMILIES`."""
        if family == "direct":
            script = rng.choice(self.dataset.direct)
            return self.splits(script, script.parts, generator, droppable=0, copies=COPIES[family])
        if family == "told":
            return self.told(rng)
        if family == "look":
            return self.look(rng.choice(self.dataset.direct))
        if family in MODES:
            return self.mode(family, rng.choice(self.dataset.irg), rng, generator)
        script = self.trajectory(rng)
        if family == "whole":
            return self.splits(script, script.parts, generator)
        if family == "edit":
            return self.edit(script, rng, generator)
        return self.words(script, rng, generator)

    def told(self, rng: random.Random) -> list[Split]:
        """The words alone of a session in which nothing goes wrong, or of a thought; fresh every time.

        Beside its pictures a word takes several times as many tokens, and to plan what is still missing a
        model need not see: that it learns from many sessions, to judge pictures from the other families.
        """
        if rng.random() < THOUGHTS:
            parts = parts_of("initial thinking generation", sample_irg_script(rng).parts)
        else:
            parts = process_script(rng, may_fail=False).parts
        return [
            TextSplit(self.ids(part.text), part.loss, self._follow[part.follows])
            for part in parts
            if part.kind == "text"
        ]

    def look(self, script: EncodedScript) -> list[Split]:
        """A picture as it is seen, and one of its prompts as what there is to say of it."""
        prompt, shown = script.parts
        pixels, cells = to_seen(script.seen[shown.scene]), script.cover[shown.scene]
        return [VitSplit(pixels, self.tokens.bos, cover=cells), TextSplit(self.ids(prompt.text), loss=True)]

    def trajectory(self, rng: random.Random) -> EncodedScript:
        """A trajectory of the process, with the targets that this training has in it."""
        script = rng.choice(self.dataset.process)
        if not self.learns_rejected:
            return script
        parts = [replace(part, loss=part.loss or part.rejected) for part in script.parts]
        return replace(script, parts=parts)

    def mode(
        self, mode: Mode, script: EncodedScript, rng: random.Random, generator: torch.Generator
    ) -> list[Split]:
        """A mode of irg; now and then its picture is drawn in a guidance context."""
        parts, lot = parts_of(mode, script.parts), rng.random()
        if parts[-1].kind == "image":
            if lot < GUIDANCE_CONTEXTS:
                parts = text_free(mode, parts)
            elif lot < 2 * GUIDANCE_CONTEXTS and mode == "improving full":
                parts = image_free(parts)
        return self.splits(script, parts, generator, copies=COPIES.get(mode, 1))

    def edit(self, script: EncodedScript, rng: random.Random, generator: torch.Generator) -> list[Split]:
        """The prompt, the last picture before a target, what was said since, and the target.

        Now and then everything before the target is kept. The newest text is droppable: that is the
        text-free guidance context.
        """
        while not (targets := image_targets(script)):  # a model's own sketch that was right is no target
            script = self.trajectory(rng)
        at = rng.choice(targets)
        before = script.parts[:at]
        images = [i for i, part in enumerate(before) if part.kind == "image"]
        if images and rng.random() < 0.85:
            before = [before[0], *before[images[-1] :]]
        parts = [*map(without_loss, before), script.parts[at]]
        return self.splits(script, parts, generator, droppable=len(parts) - 2, copies=COPIES["edit"])

    def words(self, script: EncodedScript, rng: random.Random, generator: torch.Generator) -> list[Split]:
        """The prompt, a plan, its picture and the inspection to be written."""
        spoken = [
            i
            for i, part in enumerate(script.parts)
            if part.kind == "text" and part.loss and script.parts[i - 1].kind == "image"
        ]
        if not spoken:
            return self.splits(script, script.parts, generator)
        at = rng.choice(spoken)
        start = max(1, at - 2)
        return self.splits(
            script,
            [*map(without_loss, [script.parts[0], *script.parts[start:at]]), script.parts[at]],
            generator,
        )

    def splits(
        self,
        script: EncodedScript,
        parts: Sequence[Part],
        generator: torch.Generator,
        *,
        droppable: int | None = None,
        copies: int = 1,
    ) -> list[Split]:
        """Parts to packing splits, every target ``copies`` times.

        The text at index ``droppable`` may be left out by condition dropout.
        """
        found: list[Split] = []
        for index, part in enumerate(parts):
            if part.kind == "text":
                found.append(
                    TextSplit(
                        self.ids(part.text),
                        part.loss,
                        self._follow[part.follows],
                        droppable=index == droppable,
                    )
                )
                continue
            latent = script.latents[part.scene].float()
            if part.loss:
                shown = script.cover[part.scene]
                for copy, draw in enumerate(spread_draws(copies, generator)):
                    found.append(NoisedSplit(latent, draw, end_loss=copy == 0, cover=shown))
            if index + 1 < len(parts):
                soft = latent + CONTEXT_NOISE * torch.randn(latent.shape, generator=generator)
                found.append(VaeSplit(soft))
                seen = to_seen(script.seen[part.scene])
                cells = script.cover[part.scene]
                found.append(VitSplit(seen, self._follow[part.follows], cover=cells))
        return found

    def ids(self, text: str) -> list[int]:
        if text not in self._cache:
            if len(self._cache) > 200_000:
                self._cache.clear()
            self._cache[text] = list(self._encode(text))
        return self._cache[text]


def spread_draws(count: int, generator: torch.Generator) -> list[float]:
    """Standard normal draws, one from each of ``count`` equally likely stretches."""
    places = (torch.arange(count) + torch.rand(count, generator=generator, dtype=torch.float64)) / count
    return torch.special.ndtri(places.clamp(1e-6, 1 - 1e-6)).tolist()


def image_targets(script: EncodedScript) -> list[int]:
    """Where in the script a picture is to be drawn."""
    return [i for i, part in enumerate(script.parts) if part.kind == "image" and part.loss]


def without_loss(part: Part) -> Part:
    """The same part as mere context."""
    return Part(part.kind, part.text, part.scene, loss=False, follows=None)


def to_seen(pixels: Tensor) -> Tensor:
    """uint8 [H, W, 3] -> float [3, H, W] in [-1, 1]."""
    return pixels.permute(2, 0, 1).float() / 127.5 - 1
