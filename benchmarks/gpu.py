"""Every figure of a 7B model that needs a graphics card, in one command of less than eight minutes.

The weights are random and made on the card: neither speed nor memory depends on them. Without CUDA it
says so and ends well. What no time is left for is listed as not measured.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.models import BAGEL_7B_AUTOENCODER, random_model
from benchmarks.table import Row, at_least, at_most, options, show
from engine.assets import default_checkpoint
from engine.checkpoints.random_folder import BAGEL_7B
from engine.checkpoints.special_tokens import SpecialTokens
from engine.inference.decoding import PlainSteps, StaticSteps, Steps
from engine.inference.extrapolation import fewer
from engine.inference.flow import Guidance, Update, sample
from engine.inference.prefill import CleanItem, Context, Item, SeenItem, TextItem, prefill
from engine.inference.text import decode
from engine.model.autoencoder import Autoencoder
from engine.model.bagel import Bagel
from engine.model.patches import unpatchify

LIMIT = 8 * 60.0
GIB = 2**30
TOKENS = SpecialTokens(bos=1, eos=2, start_of_image=3, end_of_image=4)
ENDLESS = replace(TOKENS, eos=-1)
"""With an end that is never chosen, so that texts have the length that is asked for."""
PROMPT = TextItem(tuple(range(100, 160)))
INSTRUCTION = TextItem(tuple(range(200, 240)))


@dataclass(frozen=True)
class Size:
    """How much is drawn and written."""

    pixels: int = 1024
    seen_pixels: int = 980
    points: int = 50
    text: int = 128


@dataclass
class Subject:
    """A model in one precision and what is timed of it. Seconds end when the device has finished."""

    model: Bagel
    autoencoder: Autoencoder
    size: Size
    in_turn: bool = False

    def read(self, items: Sequence[Item]) -> Context:
        context = Context()
        for item in items:
            context = Context((*context.segments, prefill(self.model, TOKENS, context, item)))
        return context

    def picture(self) -> list[Item]:
        """A picture as context, encoded when it is read."""
        weight = self.autoencoder.encoder.conv_in.weight
        pixels = torch.zeros(1, 3, self.size.pixels, self.size.pixels)
        seen = torch.zeros(3, self.size.seen_pixels, self.size.seen_pixels)

        @torch.inference_mode()
        def encoded() -> Tensor:
            return self.autoencoder.encode(pixels.to(weight))[0]

        return [CleanItem("measured", encoded), SeenItem("measured", lambda: seen)]

    def updates(self, contexts: Sequence[Context], points: int, *, draft: bool = False) -> Iterator[Update]:
        """Updates of a picture: condition, text-free, and image-free if there are three."""
        side = self.size.pixels // self.model.config.latent_downsample
        guidance = Guidance(4.0, 2.0 if len(contexts) > 2 else 1.0, 0.4 if len(contexts) < 3 else 0.0)
        return sample(
            self.model,
            TOKENS,
            torch.randn(side * side, self.model.config.latent_values),
            (side, side),
            contexts[0],
            text_free=contexts[1],
            image_free=contexts[-1],
            guidance=guidance,
            timesteps=points,
            shift=3.0,
            extrapolate=draft,
            in_turn=self.in_turn,
        )

    def seconds_to_draw(self, *, draft: bool = False) -> float:
        """All updates of a picture after a prompt, by text guidance where t is above 0.4."""
        contexts = [self.read([PROMPT]), Context()]
        for _ in zip(range(2), self.updates(contexts, 4), strict=False):
            pass  # warms up
        points = fewer(self.size.points) if draft else self.size.points
        return timed(lambda: [None for _ in self.updates(contexts, points, draft=draft)], self.model.device)

    def seconds_to_read(self) -> float:
        """A picture into a context: encoding it for both segments, and running them."""
        return timed(lambda: self.read(self.picture()), self.model.device)

    def tokens_a_second(self, steps: Steps) -> float:
        context, count = self.read([PROMPT]), self.size.text

        def write() -> None:
            for _ in decode(steps, ENDLESS, context, max_new_tokens=count):
                pass

        write()
        return count / timed(write, self.model.device)

    @torch.inference_mode()
    def whole_picture(self, *, edit: bool) -> None:
        """Everything a picture needs at its peaks: reading, a few updates of all branches, decoding."""
        if edit:
            seen = self.read(self.picture())
            after = prefill(self.model, TOKENS, seen, INSTRUCTION)
            contexts = [Context((*seen.segments, after)), seen, self.read([INSTRUCTION])]
        else:
            contexts = [self.read([PROMPT]), Context()]
        *_, last = self.updates(contexts, 4)
        del contexts
        side = self.size.pixels // self.model.config.latent_downsample
        latent = unpatchify(last.x, self.model.config.latent_patch, side, side)[None]
        self.autoencoder.decode(latent.to(self.autoencoder.decoder.conv_in.weight))


def timed(call: Callable[[], object], device: torch.device) -> float:
    settle(device)
    began = time.perf_counter()
    call()
    settle(device)
    return time.perf_counter() - began


def settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Clock:
    """The time that is left of the limit."""

    def __init__(self, limit: float) -> None:
        self.end = time.monotonic() + limit

    def allows(self, seconds: float) -> bool:
        return time.monotonic() + seconds < self.end


def speeds(build: Callable[[str], Subject], clock: Clock) -> list[Row]:
    """Drawing and writing in every precision; ratios are against bf16 of this run."""
    subject = build("bf16")
    drawn = subject.seconds_to_draw()
    what = f"{subject.size.pixels}², {subject.size.points} timesteps, two branches"
    rows = [at_most(f"{what}, bf16", drawn, 11.0, "s", "the target is for an H200")]
    rows.append(Row("the same as a draft", subject.seconds_to_draw(draft=True), "s"))
    rows.append(
        Row("text, bf16, without a graph", subject.tokens_a_second(PlainSteps(subject.model)), "tokens/s")
    )
    static = subject.tokens_a_second(StaticSteps(subject.model, places=512))
    rows.append(at_least("text, bf16", static, 150.0, "tokens/s", "the target is for an H200"))
    rows.append(Row("reading a picture, autoencoder and all", subject.seconds_to_read(), "s"))
    del subject
    for precision, bound in (("fp8", 1 / 1.25), ("nf4", 1.15)):
        name = f"{what}, {precision}: share of bf16's time"
        if not clock.allows(60):
            rows.append(Row(name, None, remark="no time left"))
            continue
        release()
        try:
            subject = build(precision)
            rows.append(at_most(name, subject.seconds_to_draw() / drawn, bound, "×"))
            if precision == "nf4":
                written = subject.tokens_a_second(StaticSteps(subject.model, places=512))
                rows.append(at_least("text, nf4", written, 150.0, "tokens/s", "the target is for an H200"))
            del subject
        except RuntimeError as error:
            rows.append(Row(name, None, remark=first_line(error)))
    return rows


def peaks(clock: Clock) -> list[Row]:
    """Most memory reserved while a picture is made by a profile, in a process capped at the card's size."""
    from engine.checkpoints.profiles import PROFILES

    rows, total = [], torch.cuda.get_device_properties(0).total_memory
    for name, gib, bound in (("12gb", 12, 11.0), ("24gb", 24, 21.0)):
        profile = PROFILES[name]
        if not clock.allows(60):
            rows.append(Row(f"peak memory, profile {name}", None, remark="no time left"))
            continue
        for edit in (False, True):
            what = f"peak memory, profile {name}, {'edit' if edit else 'text to image'}"
            release()
            torch.cuda.set_per_process_memory_fraction(min(1.0, gib * GIB / total))
            torch.cuda.reset_peak_memory_stats()
            try:
                model, autoencoder = random_model(
                    BAGEL_7B,
                    BAGEL_7B_AUTOENCODER,
                    "cuda",
                    profile.precision,
                    head=profile.head,
                    embeddings_on_host=profile.embeddings_on_host,
                    tile=profile.tile,
                )
                Subject(model, autoencoder, Size(), profile.in_turn).whole_picture(edit=edit)
                rows.append(at_most(what, torch.cuda.max_memory_reserved() / GIB, bound, "GiB"))
            except RuntimeError as error:
                rows.append(Row(what, None, "", f"≤ {bound:g} GiB", False, first_line(error)))
            finally:
                model = autoencoder = None
                torch.cuda.set_per_process_memory_fraction(1.0)
    return rows


def loading(folder: Path | None, clock: Clock) -> list[Row]:
    """A 7B-shaped file from this disk to nf4 on the card, and what bounds it."""
    from benchmarks.load_speed import measure_load
    from engine.checkpoints.random_folder import write_random_folder

    what = "loading a folder to nf4"
    release()
    if folder:
        speed, _ = measure_load(folder, "cuda", "nf4")
        return [Row(what, speed.seconds, "s", remark=str(speed))]
    if not clock.allows(150):
        return [Row(what, None, remark="no time left; give a folder with --checkpoint")]
    with tempfile.TemporaryDirectory() as made:
        try:
            write_random_folder(Path(made), BAGEL_7B, BAGEL_7B_AUTOENCODER, default_checkpoint())
            speed, _ = measure_load(Path(made), "cuda", "nf4")
        except OSError as error:
            return [Row(what, None, remark=f"no room for the file ({error.strerror})")]
    return [Row(what, speed.seconds, "s", remark=str(speed))]


def release() -> None:
    """Gives back what earlier rows held."""
    import gc

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]


def main(arguments: Sequence[str] | None = None) -> int:
    wish = options("gpu", __doc__.splitlines()[0]).parse_args(arguments)
    if not torch.cuda.is_available():
        print("There is no graphics card that torch can use (CUDA), so nothing was measured.")
        return 0
    clock = Clock(LIMIT)

    def build(precision: str) -> Subject:
        return Subject(*random_model(BAGEL_7B, BAGEL_7B_AUTOENCODER, "cuda", precision), Size())

    rows = speeds(build, clock) + peaks(clock) + loading(wish.checkpoint, clock)
    show("7B shapes with random weights", rows, wish.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
