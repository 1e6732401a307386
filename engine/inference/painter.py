"""The painter: writes, chooses and draws after any sequence of texts and pictures, with one loaded model.

It joins preprocessing, the context cache, decoding, flow sampling and previews, and knows nothing of
steps or protocols. One painter belongs to one thread; stop iterating to cancel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pictures
from PIL import ImageOps
from torch import Tensor

from engine.checkpoints.reader import Checkpoint, load_checkpoint
from engine.core import events
from engine.core.errors import GenerationError
from engine.core.events import TextDelta
from engine.core.image_sizes import ImageSizes
from engine.core.parts import Part, TextPart
from engine.core.settings import Settings
from engine.inference import pictures
from engine.inference.context_cache import ContextCache
from engine.inference.decoding import make_decoder
from engine.inference.events import Check, Choice, Drawn, Next, Reuse, Written, no_check
from engine.inference.flow import Guidance, Update, sample
from engine.inference.pictures import picture_items, shown_size, transforms
from engine.inference.prefill import Context, ContextItem, TextTokens
from engine.inference.preprocess import Transform, resized, to_rgb
from engine.inference.preview import PreviewProjector
from engine.inference.recovery import recover_from_out_of_memory
from engine.inference.runtime_config import RuntimeConfig
from engine.inference.taylor import draft_timesteps
from engine.inference.text import IncrementalDetokenizer, decode
from engine.model.patches import unpatchify
from engine.model.weight_layout import store_weights_by_column

ENGINE_VERSION = "0.3.0"
"""A version for reproducibility, not the package's: raised when a recipe may give other bytes than before."""

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
    """One model, ready to paint. ``fingerprint`` says what must be equal for its pictures to be the same.

    ``image_sizes`` are the sizes it draws, ``default_size`` is (height, width) of a picture for which
    nothing else is said, in pixels. What it is shown are parts (:mod:`engine.core.parts`); ``pixels`` gives
    the picture of a digest and is asked only for pictures that are not in the cache. ``check`` is called
    between the pieces of what is read before the first word or flow update, and may raise to end it.
    """

    def __init__(self, checkpoint: Checkpoint, device: str, running: RuntimeConfig) -> None:
        self.checkpoint, self.running, extras = checkpoint, running, checkpoint.extras
        self.device = torch.device(device)
        self.model, self.autoencoder = checkpoint.model, checkpoint.autoencoder
        self.tokenizer, self.tokens = checkpoint.tokenizer, checkpoint.tokenizer.tokens
        config = self.model.config
        vae, vit = transforms(config)
        self.vae_transform = Transform(*extras.get("vae_transform", vae))
        self.vit_transform = Transform(*extras.get("vit_transform", vit))
        height, width = extras.get("default_image_size", (vae[0], vae[0]))
        self.default_size: tuple[int, int] = (height, width)
        self.image_sizes = ImageSizes(
            self.default_size,
            self.vae_transform.stride,
            min(self.vae_transform.min_size, config.latent_side * config.latent_downsample),
            min(self.vae_transform.max_size, config.latent_side * config.latent_downsample),
        )
        if self.device.type == "cpu":
            store_weights_by_column(self.model.language_model)
        self.cache = ContextCache(self.model, self.tokens, running.context_bytes, running.host_bytes)
        self.token_decoder = make_decoder(self.model, static=running.cuda_graph_text)
        self.preview = PreviewProjector.fit(self.autoencoder)
        self.fingerprint: dict[str, Any] = {
            "checkpoint": checkpoint.digest,
            "precision": checkpoint.precision,
            "device": self.device.type,
            "engine": ENGINE_VERSION,
            **running.as_fingerprint(),
        }

    def write(
        self,
        parts: Sequence[Part],
        *,
        pixels: Pixels,
        max_tokens: int,
        temperature: float,
        seed: int,
        check: Check = no_check,
    ) -> Generator[TextDelta | Written]:
        """Writes what comes after ``parts``: a piece for each token, perhaps empty, and ``Written`` at last.

        ``max_tokens`` caps it. Raises :class:`GenerationError`.
        """
        with recover_from_out_of_memory(self.cache):
            (context,), reuse = self._contexts([parts], pixels, check)
            stream, count = IncrementalDetokenizer(self.tokenizer), 0
            steps = decode(
                self.token_decoder,
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
                    piece += stream.flush()
                yield TextDelta(piece)
                if step.finish:
                    yield Written(count, step.finish, reuse)

    def choose(
        self,
        parts: Sequence[Part],
        *,
        pixels: Pixels,
        options: frozenset[Next],
        check: Check = no_check,
    ) -> Choice:
        """What the model would do next: write (``text``), draw (``image``) or stop (``end``).

        ``probability`` is relative to the other ``options``. Raises ``ValueError`` when none is possible.
        """
        with recover_from_out_of_memory(self.cache):
            (context,), reuse = self._contexts([parts], pixels, check)
        if not context.segments:
            raise ValueError("there is nothing to choose after: give at least one part")
        tokens = self.tokens
        named: dict[Next, int | None] = {
            "text": tokens.bos,
            "image": tokens.start_of_image,
            "end": tokens.end_of_text,
        }
        known = {name: token for name in sorted(options) if (token := named[name]) is not None}
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
        parts: Sequence[Part],
        *,
        text_free: Sequence[Part],
        image_free: Sequence[Part],
        pixels: Pixels,
        settings: Settings,
        seed: int,
        size: tuple[int, int] | None = None,
        check: Check = no_check,
    ) -> Generator[events.Preview | Drawn]:
        """Draws the picture that comes after ``parts``: a preview for each flow update, ``Drawn`` at last.

        ``size`` is (height, width) in pixels; None takes that of the newest picture in ``parts``, else the
        checkpoint's own. Sides are cut down to whole latent tokens. Raises :class:`GenerationError`.
        """
        height, width = size or self._size_of_newest(parts, pixels) or self.default_size
        unit = self.model.config.latent_downsample
        rows, columns = max(1, height // unit), max(1, width // unit)
        wishes = [parts, text_free] + ([image_free] if settings.image_guidance > 1 else [])
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
                timesteps=draft_timesteps(settings.timesteps) if draft else settings.timesteps,
                shift=settings.shift,
                extrapolate=draft,
                check=check,
                sequential_guidance=self.running.sequential_guidance,
            )
            for update in updates:
                last = update.index == update.total
                if last:
                    updates.close()  # gives back its memory before the picture is decoded
                latent = self._latent(update, rows, columns)
                yield events.Preview(self.preview.picture(latent), update.index, update.total)
                if last:
                    yield Drawn(self.decode(latent), update.total, update.forwards, reuse)

    def _latent(self, update: Update, rows: int, columns: int) -> Tensor:
        """The latents [z, h, w] as they are after an update: the best guess at the picture so far."""
        tokens = update.x if update.index == update.total else update.estimate
        if not torch.isfinite(tokens).all():
            raise GenerationError("The picture's numbers overflowed while it was drawn; no picture was kept.")
        return unpatchify(tokens, self.model.config.latent_patch, rows, columns)

    def decode(self, latent: Tensor) -> Pictures.Image:
        """Latents [z, h, w] -> the RGB picture. Raises ``GenerationError`` rather than give an empty one."""
        return pictures.decode(self.autoencoder, latent)

    def encode(self, picture: Pictures.Image) -> Tensor:
        """An RGB picture of whole latent cells -> the latents [z, h, w] of its posterior mean."""
        return pictures.encode(self.autoencoder, picture)

    def _contexts(
        self, wishes: Sequence[Sequence[Part]], pixels: Pixels, check: Check = no_check
    ) -> tuple[list[Context], Reuse]:
        """The context after each list of parts, and how much of them all was already there."""
        read = [[item for part in wish for item in self._items(part, pixels)] for wish in wishes]
        longest = self.model.config.language.max_positions
        for items in read:
            places = sum(len(item.ids) + 2 if isinstance(item, TextTokens) else 1 for item in items)
            if places > longest:
                raise GenerationError(
                    f"The texts so far are {places:,} tokens long; this model reads at most {longest:,}.",
                    "Shorten the prompt or the newest text, then run again.",
                )
        return self.cache.build_all(read, check)

    def _items(self, part: Part, pixels: Pixels) -> list[ContextItem]:
        """A text is one item; a picture is two: its clean latents, then what the vision encoder sees.

        One that is only to be seen is the latter alone.
        """
        if isinstance(part, TextPart):
            return [TextTokens(tuple(self.tokenizer.encode(part.text)))]
        items = picture_items(
            part.digest,
            lambda: self._as_shown(pixels(part.digest)),
            self.encode,
            self.vit_transform,
        )
        return items[1:] if part.seen_only else items

    def _as_shown(self, picture: Pictures.Image) -> Pictures.Image:
        size = shown_size(*picture.size, self.image_sizes, self.vae_transform)
        if self.image_sizes.is_fixed and picture.size != size:
            # It knows this size only: of another shape the middle, so that nothing is squeezed.
            return ImageOps.fit(to_rgb(picture), size, Pictures.Resampling.BICUBIC)
        return resized(to_rgb(picture), size)

    def _size_of_newest(self, parts: Sequence[Part], pixels: Pixels) -> tuple[int, int] | None:
        for part in reversed(parts):
            if not isinstance(part, TextPart):
                width, height = shown_size(*pixels(part.digest).size, self.image_sizes, self.vae_transform)
                return height, width
        return None
