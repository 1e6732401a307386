"""Packs samples of text, condition images and noised images into one training batch.

The rules are those of the public trainer: rotary positions restart in every sample; a text is causal,
a condition image sees itself whole, a noised image too but nobody else sees it. Where samples come
from, and encoding pictures into latents, is the pipelines' business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checkpoints.tokenizer import SpecialTokens
from engine.lab.training.attention_mask import CAUSAL, FULL, NOISE, attention_layout
from engine.lab.training.batch import Lists, PackedBatch
from engine.model.config import BagelConfig
from engine.model.patches import grid_positions, interpolated_positions, patchify


@dataclass
class TextSplit:
    """bos, ids, eos. ``loss`` supervises every id and the eos; ``next_token`` labels the eos position itself.

    ``droppable`` texts may be left out by condition dropout, taking no position with them.
    """

    ids: Sequence[int]
    loss: bool = False
    next_token: int | None = None
    droppable: bool = False


@dataclass
class VaeSplit:
    """An image as clean latents [z, h, w] (already scaled). Dropped, it still takes its position."""

    latent: Tensor
    next_token: int | None = None
    droppable: bool = False


@dataclass
class VitSplit:
    """An image as the vision encoder sees it: pixels [3, H, W] in [-1, 1].

    ``cover`` uint8 [2, p*h, p*w], p*p cells a patch: what it shows (``engine.lab.training.auxiliary_loss``).
    """

    pixels: Tensor
    next_token: int | None = None
    droppable: bool = False
    cover: Tensor | None = None


@dataclass
class NoisedSplit:
    """A target: latents [z, h, w] (scaled) noised to one random time.

    ``draw`` is that time before the sigmoid and shift, ``noise`` the noise by token [n, p*p*z]; both are
    drawn when None. ``end_loss`` also supervises the last image token to predict the end marker.
    ``cover`` uint8 [2, p*h, p*w] is what it shows, cell by cell (``engine.lab.training.auxiliary_loss``).
    """

    latent: Tensor
    draw: float | None = None
    noise: Tensor | None = None
    end_loss: bool = False
    cover: Tensor | None = None


Split = TextSplit | VaeSplit | VitSplit | NoisedSplit


@dataclass(frozen=True)
class Dropout:
    """Probabilities of leaving out a droppable condition; every split decides for itself."""

    text: float = 0.1
    vae: float = 0.3
    vit: float = 0.3


class Packer:
    """Packs samples for one model. ``generator`` drives noise, times and dropout."""

    def __init__(
        self,
        config: BagelConfig,
        tokens: SpecialTokens,
        *,
        timestep_shift: float = 1.0,
        dropout: Dropout | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.config, self.tokens = config, tokens
        self.shift, self.dropout = timestep_shift, dropout
        self.generator = generator or torch.default_generator
        self._numbered = interpolated_positions if config.interpolate_positions else grid_positions
        self._grids: dict[tuple[int, int, int], Tensor] = {}

    def pack(self, samples: Sequence[Sequence[Split]], seeds: Sequence[int] | None = None) -> PackedBatch:
        """Samples, each a list of splits in reading order -> one batch.

        With ``seeds``, the generator is seeded anew for every sample, so that a sample's noise and dropout
        don't depend on those packed before it.

        Raises ``ValueError`` for an empty sample or a picture that does not fit the position grid.
        """
        lists = Lists()
        for order, sample in enumerate(samples):
            if seeds is not None:
                self.generator.manual_seed(seeds[order])
            begin, position = len(lists.positions), 0
            for number, split in enumerate(sample):
                position = self._add(lists, split, number, position)
            lists.sample_lengths.append(len(lists.positions) - begin)
            if not lists.sample_lengths[-1]:
                raise ValueError("a training sample has no tokens left; keep at least one split undroppable")
        return self._tensors(lists)

    def tokens_of(self, sample: Sequence[Split]) -> int:
        """How many tokens a sample has when nothing of it is left out."""
        return sum(map(self._tokens_of, sample))

    def _tokens_of(self, split: Split) -> int:
        if isinstance(split, TextSplit):
            return len(split.ids) + 2
        if isinstance(split, VitSplit):
            (rows, columns), patch = split.pixels.shape[1:], self.config.vision.patch_size
        else:
            (rows, columns), patch = split.latent.shape[1:], self.config.latent_patch
        return (rows // patch) * (columns // patch) + 2

    def _dropped(self, split: Split) -> bool:
        if self.dropout is None or isinstance(split, NoisedSplit) or not split.droppable:
            return False
        kinds = {TextSplit: self.dropout.text, VaeSplit: self.dropout.vae, VitSplit: self.dropout.vit}
        return torch.rand((), generator=self.generator).item() < kinds[type(split)]

    def _add(self, lists: Lists, split: Split, number: int, position: int) -> int:
        """Appends one split at rotary ``position``; returns the next position."""
        if self._dropped(split):
            return position if isinstance(split, TextSplit) else position + 1
        at, tokens = len(lists.positions), self.tokens
        if isinstance(split, TextSplit):
            ids = [tokens.bos, *split.ids, tokens.eos]
            count, kind = len(ids), CAUSAL
            lists.text_ids += ids
            lists.text_index += range(at, at + count)
            lists.positions += range(position, position + count)
            if split.loss:
                lists.ce_index += range(at, at + count - 1)
                lists.ce_labels += ids[1:]
                lists.ce_weights += [1 / math.sqrt(count - 1)] * (count - 1)
            position += count
        else:
            inner, kind = self._add_image(lists, split, at + 1)
            count = inner + 2
            lists.text_ids += [tokens.start_of_image, tokens.end_of_image]
            lists.text_index += [at, at + count - 1]
            lists.positions += [position] * count
            if isinstance(split, NoisedSplit):
                if split.end_loss:
                    lists.label(at + inner, tokens.end_of_image)
            else:
                position += 1
        if not isinstance(split, NoisedSplit) and split.next_token is not None:
            lists.label(at + count - 1, split.next_token)
        lists.split_of += [number] * count
        lists.kind_of += [kind] * count
        return position

    def _grid(self, rows: int, columns: int, side: int) -> Tensor:
        key = (rows, columns, side)
        if key not in self._grids:
            self._grids[key] = self._numbered(*key)
        return self._grids[key]

    def _add_image(self, lists: Lists, split: VaeSplit | VitSplit | NoisedSplit, at: int) -> tuple[int, int]:
        """Appends the tokens between the markers; returns their count and the kind of attention."""
        config = self.config
        if isinstance(split, VitSplit):
            patch = config.vision.patch_size
            tokens = patchify(split.pixels, patch)
            rows, columns = (side // patch for side in split.pixels.shape[1:])
            lists.patches.append(tokens)
            lists.vit_ids.append(self._grid(rows, columns, config.vit_side))
            lists.vit_index += range(at, at + len(tokens))
            lists.vit_lengths.append(len(tokens))
            if split.cover is not None:
                lists.seen_cover.append(patchify(split.cover, config.latent_patch))
            return len(tokens), FULL
        x0 = patchify(split.latent.float(), config.latent_patch)
        rows, columns = (side // config.latent_patch for side in split.latent.shape[1:])
        lists.latent_ids.append(self._grid(rows, columns, config.latent_side))
        lists.latent_index += range(at, at + len(x0))
        if isinstance(split, VaeSplit):
            lists.noised.append(x0)
            lists.times.append(torch.zeros(len(x0)))
            return len(x0), FULL
        noise = split.noise
        if noise is None:
            noise = torch.randn(x0.shape, generator=self.generator)
        draw = split.draw if split.draw is not None else torch.randn((), generator=self.generator).item()
        u = torch.tensor(draw).sigmoid()
        t = self.shift * u / (1 + (self.shift - 1) * u)
        lists.noised.append((1 - t) * x0 + t * noise)
        lists.times.append(t.expand(len(x0)))
        lists.velocity.append(noise - x0)
        if split.cover is not None:
            lists.cover.append(patchify(split.cover, config.latent_patch))
        lists.mse_index += range(at, at + len(x0))
        return len(x0), NOISE

    def _tensors(self, lists: Lists) -> PackedBatch:
        config = self.config
        values, patch_values = config.latent_values, 3 * config.vision.patch_size**2
        index = {n: torch.tensor(getattr(lists, n), dtype=torch.long) for n in _INDEX_NAMES}
        position_ids = torch.tensor(lists.positions)
        packed_of = torch.cat([index["text_index"], index["vit_index"], index["latent_index"]])
        row_of = torch.empty_like(packed_of)
        row_of[packed_of] = torch.arange(len(packed_of))
        slots, mask = attention_layout(
            torch.tensor(lists.sample_lengths), torch.tensor(lists.split_of), torch.tensor(lists.kind_of)
        )
        gather = torch.zeros(mask.shape[0] * mask.shape[-1], dtype=torch.long)
        gather[slots] = row_of
        return PackedBatch(
            sample_lengths=lists.sample_lengths,
            vit_lengths=lists.vit_lengths,
            vit_patches=_joined(lists.patches, (0, patch_values)),
            vit_position_ids=_joined(lists.vit_ids, (0,)).long(),
            noised=_joined(lists.noised, (0, values)),
            timesteps=_joined(lists.times, (0,)),
            latent_position_ids=_joined(lists.latent_ids, (0,)).long(),
            velocity=_joined(lists.velocity, (0, values)),
            cover=_joined(lists.cover, (0, 2 * config.latent_patch**2)).long(),
            seen_cover=_joined(lists.seen_cover, (0, 2 * config.latent_patch**2)).long(),
            position_ids=position_ids,
            ce_weights=torch.tensor(lists.ce_weights),
            row_positions=position_ids[packed_of],
            row_of=row_of,
            gather=gather,
            scatter=slots[packed_of],
            mask=mask,
            **index,
        )


_INDEX_NAMES = ("text_ids", "text_index", "vit_index", "latent_index", "mse_index", "ce_index", "ce_labels")


def _joined(parts: list[Tensor], empty: tuple[int, ...]) -> Tensor:
    return torch.cat(parts) if parts else torch.zeros(empty)
