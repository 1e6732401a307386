"""The painter: writes, chooses and draws after any sequence of texts and pictures, with one loaded model.

It joins preprocessing, the context cache, decoding, flow sampling and previews, and knows nothing of
steps or protocols. One painter belongs to one thread; stop iterating to cancel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pictures
from torch import Tensor

from engine import protocols
from engine.canvas import Canvas
from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.reader import Checkpoint, load_checkpoint
from engine.inference.contexts import ContextCache
from engine.inference.events import Choice, FlowUpdate, PaintError, Reuse, TextDelta
from engine.inference.flow import Guidance, Update, sample
from engine.inference.prefill import CleanItem, Context, Item, SeenItem, TextItem
from engine.inference.preprocess import Transform, normalised, to_rgb
from engine.inference.preview import Preview
from engine.inference.text import Stream, decode
from engine.model.autoencoder import to_uint8
from engine.model.patches import unpatchify
from engine.protocols.base import Segment, Text
from engine.protocols.prompts import prompts_of
from engine.settings import PUBLIC, Settings

ENGINE_VERSION = "0.1.0"
VAE_SIDES, VIT_SIDES = (1024, 512), (980, 224)
"""Longest and shortest side of a picture as the public release shows it to its two encoders."""

log = logging.getLogger(__name__)

Pixels = Callable[[str], Pictures.Image]


def open_painter(
    checkpoint_dir: Path | str,
    device: str = "cpu",
    precision: str = "float32",
    cache_bytes: int = 512 * 2**20,
) -> Painter:
    """Loads a checkpoint folder. Raises ``CheckpointError`` with a sentence when it cannot be used."""
    checkpoint = load_checkpoint(checkpoint_dir, device, precision)
    for note in checkpoint.notes:
        log.warning(note)
    return Painter(checkpoint, device, cache_bytes)


class Painter:
    """One model, ready to paint. ``fingerprint`` says what must be equal for a step to replay.

    ``protocols`` are those the checkpoint offers, by name, and ``grammars`` the same with the driver of
    each; ``canvas`` says what sizes it draws, ``sampling`` are the settings it recommends, ``world`` is the
    only one it knows ("" when it isn't bound to one).

    Segments are :class:`engine.protocols.base.Text` and ``Image``; ``pixels`` gives the picture of a
    digest and is asked only for pictures that are not in the cache.
    """

    def __init__(self, checkpoint: Checkpoint, device: str, cache_bytes: int) -> None:
        self.checkpoint, extras = checkpoint, checkpoint.extras
        self.model, self.autoencoder = checkpoint.model, checkpoint.autoencoder
        self.tokenizer, self.tokens = checkpoint.tokenizer, checkpoint.tokenizer.tokens
        config = self.model.config
        vae = _transform(VAE_SIDES, config.latent_downsample, config.latent_side)
        vit = _transform(VIT_SIDES, config.vision.patch_size, config.vit_side)
        self.vae_transform = Transform(*extras.get("vae_transform", vae))
        self.vit_transform = Transform(*extras.get("vit_transform", vit))
        self.default_size = tuple(extras.get("default_image_size", (vae[0], vae[0])))
        self.canvas = Canvas(
            self.default_size,
            self.vae_transform.stride,
            min(self.vae_transform.min_size, config.latent_side * config.latent_downsample),
            min(self.vae_transform.max_size, config.latent_side * config.latent_downsample),
        )
        self.sampling: dict[str, Any] = dict(extras.get("sampling", PUBLIC))
        self.world: str = extras.get("world", "")
        try:
            self.grammars = protocols.driven(extras, prompts_of(checkpoint.folder))
        except ValueError as error:
            raise CheckpointError(f"{checkpoint.folder} can't be used: {error}.") from error
        self.protocols = tuple(self.grammars)
        self.cache = ContextCache(self.model, self.tokens, cache_bytes)
        self.preview = Preview.fit(self.autoencoder)
        self.fingerprint: dict[str, Any] = {
            "checkpoint": checkpoint.digest,
            "precision": checkpoint.precision,
            "device": torch.device(device).type,
            "engine": ENGINE_VERSION,
        }
        name = extras.get("title") or checkpoint.folder.resolve().name
        self.title = f"{name} · {torch.device(device).type.upper()}"

    def write(
        self,
        segments: Sequence[Segment],
        *,
        pixels: Pixels,
        max_tokens: int,
        temperature: float,
        seed: int,
    ) -> Iterator[TextDelta]:
        """Writes what comes after ``segments``, a piece per token; the last one is ``finished``."""
        context, reuse = self._context(segments, pixels)
        stream, count = Stream(self.tokenizer), 0
        steps = decode(
            self.model,
            self.tokens,
            context,
            max_new_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
        )
        for step in steps:
            if not torch.isfinite(step.logits).all():
                raise PaintError("The model's numbers overflowed while writing; nothing of it was kept.")
            piece = "" if step.finish == "eos" else stream.add(step.id)
            count += step.finish != "eos"
            if step.finish:
                piece += stream.rest()
            yield TextDelta(piece, count, step.finish is not None, step.finish, reuse)

    def choose(self, segments: Sequence[Segment], *, pixels: Pixels, options: frozenset[str]) -> Choice:
        """What the model would do next: write (``text``), draw (``image``) or stop (``end``).

        ``probability`` is relative to the other ``options``. Raises ``ValueError`` when none is possible.
        """
        context, reuse = self._context(segments, pixels)
        if not context.segments:
            raise ValueError("there is nothing to choose after: give at least one segment")
        named = {"text": self.tokens.bos, "image": self.tokens.start_of_image, "end": self.tokens.end_of_text}
        known = {name: named[name] for name in sorted(options) if named[name] is not None}
        if not known:
            raise ValueError(f"none of {sorted(options)} can be expressed with this tokenizer")
        with torch.inference_mode():
            logits = self.model.language_model.logits(context.segments[-1].last_hidden[None])[0]
        chances = torch.softmax(logits[list(known.values())].float(), dim=-1)
        if not torch.isfinite(chances).all():
            raise PaintError("The model's numbers overflowed while it chose what to do next.")
        best = int(chances.argmax())
        return Choice(list(known)[best], float(chances[best]), reuse)

    def draw(
        self,
        segments: Sequence[Segment],
        *,
        text_free: Sequence[Segment],
        image_free: Sequence[Segment],
        pixels: Pixels,
        settings: Settings,
        seed: int,
        size: tuple[int, int] | None = None,
    ) -> Iterator[FlowUpdate]:
        """Draws the picture that comes after ``segments``, an update at a time; the last has the image.

        ``size`` is (height, width); None takes that of the newest picture in ``segments``, else the
        checkpoint's own. Sides are cut down to whole latent tokens.
        """
        height, width = size or self._size_of_newest(segments, pixels) or self.default_size
        unit = self.model.config.latent_downsample
        rows, columns = max(1, height // unit), max(1, width // unit)
        condition, reuse = self._context(segments, pixels)
        without_text, more = self._context(text_free, pixels)
        reuse = _sum(reuse, more)
        without_image = condition
        if settings.image_guidance > 1:
            without_image, more = self._context(image_free, pixels)
            reuse = _sum(reuse, more)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(rows * columns, self.model.config.latent_values, generator=generator)
        updates = sample(
            self.model,
            self.tokens,
            noise,
            (rows, columns),
            condition,
            text_free=without_text,
            image_free=without_image,
            guidance=Guidance(
                settings.guidance,
                settings.image_guidance,
                settings.interval_low,
                settings.interval_high,
                settings.renorm,
                settings.renorm_min,
            ),
            timesteps=settings.timesteps,
            shift=settings.shift,
        )
        for update in updates:
            yield self._shown(update, rows, columns, reuse)

    def _shown(self, update: Update, rows: int, columns: int, reuse: Reuse) -> FlowUpdate:
        last = update.index == update.total
        tokens = update.x if last else update.guess
        if not torch.isfinite(tokens).all():
            raise PaintError("The picture's numbers overflowed while it was drawn; no picture was kept.")
        latent = unpatchify(tokens, self.model.config.latent_patch, rows, columns)
        return FlowUpdate(
            update.index,
            update.total,
            self.preview.picture(latent),
            self.decode(latent) if last else None,
            update.forwards,
            reuse,
        )

    @torch.inference_mode()
    def decode(self, latent: Tensor) -> Pictures.Image:
        """Latents [z, h, w] -> the RGB picture. Raises ``PaintError`` rather than give an empty one."""
        weight = self.autoencoder.decoder.conv_in.weight
        decoded = self.autoencoder.decode(latent[None].to(weight))[0]
        if not torch.isfinite(decoded).all():
            raise PaintError("The picture could not be decoded: its numbers overflowed. No picture was kept.")
        levels = to_uint8(decoded).cpu()
        if torch.equal(levels.amin((0, 1)), levels.amax((0, 1))):
            raise PaintError("The picture came out as one flat colour, so it was not kept.")
        return Pictures.fromarray(levels.numpy(), "RGB")

    def _context(self, segments: Sequence[Segment], pixels: Pixels) -> tuple[Context, Reuse]:
        items = [item for segment in segments for item in self._items(segment, pixels)]
        places = sum(len(item.ids) + 2 if isinstance(item, TextItem) else 1 for item in items)
        if places > self.model.config.language.max_positions:
            raise PaintError(
                f"The texts so far are {places:,} tokens long; this model reads at most "
                f"{self.model.config.language.max_positions:,}.",
                "Shorten the prompt or the newest text, then run again.",
            )
        return self.cache.build(items)

    def _items(self, segment: Segment, pixels: Pixels) -> list[Item]:
        """A text is one item; a picture is two: its clean latents, then what the vision encoder sees.

        One that is only to be seen is the latter alone.
        """
        if isinstance(segment, Text):
            return [TextItem(tuple(self.tokenizer.encode(segment.text)))]
        items = picture_items(
            segment.digest,
            lambda: self.vae_transform.resize(to_rgb(pixels(segment.digest))),
            self.encode,
            self.vit_transform,
        )
        return items[1:] if segment.seen_only else items

    @torch.inference_mode()
    def encode(self, picture: Pictures.Image) -> Tensor:
        """An RGB picture of whole latent cells -> the latents [z, h, w] of its posterior mean."""
        weight = self.autoencoder.encoder.conv_in.weight
        return self.autoencoder.encode(normalised(picture)[None].to(weight))[0].float()

    def _size_of_newest(self, segments: Sequence[Segment], pixels: Pixels) -> tuple[int, int] | None:
        for segment in reversed(segments):
            if not isinstance(segment, Text):
                width, height = self.vae_transform.size(*pixels(segment.digest).size)
                return height, width
        return None


def picture_items(
    name: str,
    resized: Callable[[], Pictures.Image],
    encode: Callable[[Pictures.Image], Tensor],
    vit_transform: Transform,
) -> list[Item]:
    """The two items of a picture as context; both are made from the same resized RGB picture."""
    return [
        CleanItem(name, lambda: encode(resized())),
        SeenItem(name, lambda: vit_transform.pixels(resized())),
    ]


def _transform(sides: tuple[int, int], unit: int, grid: int) -> tuple[int, int, int]:
    """(max, min, stride) of the release, fitted to a checkpoint's own patches and position table."""
    longest, shortest = (min(side, grid * unit) // unit * unit for side in sides)
    return longest, shortest, unit


def _sum(a: Reuse, b: Reuse) -> Reuse:
    return Reuse(a.reused_tokens + b.reused_tokens, a.prefilled_tokens + b.prefilled_tokens)
