"""The painter: writes, chooses and draws after any sequence of texts and pictures, with one loaded model.

It joins preprocessing, the context cache, decoding, flow sampling and previews, and knows nothing of
steps or protocols. One painter belongs to one thread; stop iterating to cancel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pictures
from PIL import ImageOps
from torch import Tensor

from engine import protocols
from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.reader import Checkpoint, load_checkpoint
from engine.core.image_sizes import ImageSizes
from engine.core.settings import PUBLIC, Settings
from engine.inference import pictures
from engine.inference.context_cache import ContextCache
from engine.inference.decoding import make_decoder
from engine.inference.events import Check, Choice, FlowUpdate, GenerationError, Reuse, TextDelta, go_on
from engine.inference.flow import Guidance, Update, sample
from engine.inference.pictures import picture_items, shown_size, transforms
from engine.inference.prefill import Context, Item, TextTokens
from engine.inference.preprocess import Transform, resized, to_rgb
from engine.inference.preview import Preview
from engine.inference.runtime_config import RuntimeConfig, recover_from_out_of_memory
from engine.inference.taylor import fewer
from engine.inference.text import Stream, decode
from engine.model.layout import lay_out_for_text
from engine.model.patches import unpatchify
from engine.protocols.base import Segment, Text
from engine.protocols.prompts import prompts_of

ENGINE_VERSION = "0.3.0"
"""Changes whenever the same recipe may give other bytes than before."""

log = logging.getLogger(__name__)

Pixels = Callable[[str], Pictures.Image]


def open_painter(
    checkpoint_dir: Path | str,
    device: str = "cpu",
    precision: str = "float32",
    running: RuntimeConfig | None = None,
) -> Painter:
    """Loads a checkpoint folder. Raises ``CheckpointError`` with a sentence when it cannot be used."""
    checkpoint = load_checkpoint(checkpoint_dir, device, precision)
    for note in checkpoint.notes:
        log.warning(note)
    return Painter(checkpoint, device, running or RuntimeConfig.usual(device))


class Painter:
    """One model, ready to paint. ``fingerprint`` says what must be equal for a step to replay.

    ``protocols`` are those the checkpoint offers, by name, and ``grammars`` the same with the driver of
    each; ``canvas`` says what sizes it draws, ``sampling`` are the settings it recommends, ``world`` is the
    only one it knows ("" when it isn't bound to one). ``about`` is a line about what runs and how fast,
    ``max_pictures`` how many pictures the model is shown at once.

    Segments are :class:`engine.protocols.base.Text` and ``Image``; ``pixels`` gives the picture of a
    digest and is asked only for pictures that are not in the cache. ``check`` is called between the pieces
    of what is read before the first word or stroke, and may raise to end it.
    """

    def __init__(self, checkpoint: Checkpoint, device: str, running: RuntimeConfig) -> None:
        self.checkpoint, self.running, extras = checkpoint, running, checkpoint.extras
        self.model, self.autoencoder = checkpoint.model, checkpoint.autoencoder
        self.tokenizer, self.tokens = checkpoint.tokenizer, checkpoint.tokenizer.tokens
        config = self.model.config
        vae, vit = transforms(config)
        self.vae_transform = Transform(*extras.get("vae_transform", vae))
        self.vit_transform = Transform(*extras.get("vit_transform", vit))
        self.default_size = tuple(extras.get("default_image_size", (vae[0], vae[0])))
        self.canvas = ImageSizes(
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
        if torch.device(device).type == "cpu":
            lay_out_for_text(self.model.language_model)
        self.cache = ContextCache(self.model, self.tokens, running.context_bytes, running.host_bytes)
        self.steps = make_decoder(self.model, static=running.static_text)
        self.preview = Preview.fit(self.autoencoder)
        self.fingerprint: dict[str, Any] = {}
        self._own = {
            "checkpoint": checkpoint.digest,
            "precision": checkpoint.precision,
            "device": torch.device(device).type,
            "engine": ENGINE_VERSION,
        }
        self.show_at_most(running.max_pictures)
        name = extras.get("title") or checkpoint.folder.resolve().name
        self.title = f"{name} · {torch.device(device).type.upper()}"
        self.about = self.title

    def show_at_most(self, pictures: int) -> None:
        """From here on the model is shown no more pictures at once, so that a run can go on as it began."""
        self.max_pictures, self.running = pictures, replace(self.running, max_pictures=pictures)
        for grammar in self.grammars.values():
            grammar.max_pictures = pictures
        self.fingerprint = {**self._own, **self.running.as_fingerprint()}

    def write(
        self,
        segments: Sequence[Segment],
        *,
        pixels: Pixels,
        max_tokens: int,
        temperature: float,
        seed: int,
        check: Check = go_on,
    ) -> Iterator[TextDelta]:
        """Writes what comes after ``segments``, a piece per token; the last one is ``finished``."""
        with recover_from_out_of_memory(self.cache):
            (context,), reuse = self._contexts([segments], pixels, check)
            stream, count = Stream(self.tokenizer), 0
            steps = decode(
                self.steps,
                self.tokens,
                context,
                max_new_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
            )
            for step in steps:
                if not torch.isfinite(step.logits).all():
                    raise GenerationError(
                        "The model's numbers overflowed while writing; nothing of it was kept."
                    )
                piece = "" if step.finish == "eos" else stream.add(step.id)
                count += step.finish != "eos"
                if step.finish:
                    piece += stream.rest()
                yield TextDelta(piece, count, step.finish is not None, step.finish, reuse)

    def choose(
        self,
        segments: Sequence[Segment],
        *,
        pixels: Pixels,
        options: frozenset[str],
        check: Check = go_on,
    ) -> Choice:
        """What the model would do next: write (``text``), draw (``image``) or stop (``end``).

        ``probability`` is relative to the other ``options``. Raises ``ValueError`` when none is possible.
        """
        with recover_from_out_of_memory(self.cache):
            (context,), reuse = self._contexts([segments], pixels, check)
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
            raise GenerationError("The model's numbers overflowed while it chose what to do next.")
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
        check: Check = go_on,
    ) -> Iterator[FlowUpdate]:
        """Draws the picture that comes after ``segments``, an update at a time; the last has the image.

        ``size`` is (height, width); None takes that of the newest picture in ``segments``, else the
        checkpoint's own. Sides are cut down to whole latent tokens.
        """
        height, width = size or self._size_of_newest(segments, pixels) or self.default_size
        unit = self.model.config.latent_downsample
        rows, columns = max(1, height // unit), max(1, width // unit)
        wishes = [segments, text_free] + ([image_free] if settings.image_guidance > 1 else [])
        draft = settings.quality == "draft"
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(rows * columns, self.model.config.latent_values, generator=generator)
        with recover_from_out_of_memory(self.cache):
            (condition, *free), reuse = self._contexts(wishes, pixels, check)
            updates = sample(
                self.model,
                self.tokens,
                noise,
                (rows, columns),
                condition,
                text_free=free[0],
                image_free=free[-1],
                guidance=Guidance(
                    settings.guidance,
                    settings.image_guidance,
                    settings.interval_low,
                    settings.interval_high,
                    settings.renorm,
                    settings.renorm_min,
                ),
                timesteps=fewer(settings.timesteps) if draft else settings.timesteps,
                shift=settings.shift,
                extrapolate=draft,
                check=check,
                in_turn=self.running.in_turn,
            )
            for update in updates:
                if update.index == update.total:
                    updates.close()  # gives back its memory before the picture is decoded
                yield self._shown(update, rows, columns, reuse)

    def _shown(self, update: Update, rows: int, columns: int, reuse: Reuse) -> FlowUpdate:
        last = update.index == update.total
        tokens = update.x if last else update.guess
        if not torch.isfinite(tokens).all():
            raise GenerationError("The picture's numbers overflowed while it was drawn; no picture was kept.")
        latent = unpatchify(tokens, self.model.config.latent_patch, rows, columns)
        return FlowUpdate(
            update.index,
            update.total,
            self.preview.picture(latent),
            self.decode(latent) if last else None,
            update.forwards,
            reuse,
        )

    def decode(self, latent: Tensor) -> Pictures.Image:
        """Latents [z, h, w] -> the RGB picture. Raises ``GenerationError`` rather than give an empty one."""
        return pictures.decode(self.autoencoder, latent)

    def encode(self, picture: Pictures.Image) -> Tensor:
        """An RGB picture of whole latent cells -> the latents [z, h, w] of its posterior mean."""
        return pictures.encode(self.autoencoder, picture)

    def _contexts(
        self, wishes: Sequence[Sequence[Segment]], pixels: Pixels, check: Check = go_on
    ) -> tuple[list[Context], Reuse]:
        """The context after each list of segments, and how much of them all was already there."""
        read = [[item for segment in wish for item in self._items(segment, pixels)] for wish in wishes]
        longest = self.model.config.language.max_positions
        for items in read:
            places = sum(len(item.ids) + 2 if isinstance(item, TextTokens) else 1 for item in items)
            if places > longest:
                raise GenerationError(
                    f"The texts so far are {places:,} tokens long; this model reads at most {longest:,}.",
                    "Shorten the prompt or the newest text, then run again.",
                )
        return self.cache.build_all(read, check)

    def _items(self, segment: Segment, pixels: Pixels) -> list[Item]:
        """A text is one item; a picture is two: its clean latents, then what the vision encoder sees.

        One that is only to be seen is the latter alone.
        """
        if isinstance(segment, Text):
            return [TextTokens(tuple(self.tokenizer.encode(segment.text)))]
        items = picture_items(
            segment.digest,
            lambda: self._as_shown(pixels(segment.digest)),
            self.encode,
            self.vit_transform,
        )
        return items[1:] if segment.seen_only else items

    def _as_shown(self, picture: Pictures.Image) -> Pictures.Image:
        size = shown_size(*picture.size, self.canvas, self.vae_transform)
        if self.canvas.is_fixed and picture.size != size:
            # It knows this size only: of another shape the middle, so that nothing is squeezed.
            return ImageOps.fit(to_rgb(picture), size, Pictures.Resampling.BICUBIC)
        return resized(to_rgb(picture), size)

    def _size_of_newest(self, segments: Sequence[Segment], pixels: Pixels) -> tuple[int, int] | None:
        for segment in reversed(segments):
            if not isinstance(segment, Text):
                width, height = shown_size(*pixels(segment.digest).size, self.canvas, self.vae_transform)
                return height, width
        return None
