"""Speed and memory of a 7B model on a GPU, in about eight minutes.

The weights are random and made on the GPU: neither speed nor memory depends on them. Without CUDA it says
so and exits with 0. A row that the eight minutes leave no time for is listed as not measured.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.load_speed import LoadSpeed, forget, measure_load
from benchmarks.models import BAGEL_7B_AUTOENCODER, MIDSIZE, MIDSIZE_AUTOENCODER, random_model
from benchmarks.random_folder import write_random_folder
from benchmarks.table import Clock, Row, Table, at_least, at_most, show
from engine.checkpoints.tokenizer import SpecialTokens
from engine.core.assets import default_checkpoint
from engine.inference.decoding import CudaGraphDecoder, EagerDecoder, TokenDecoder, make_decoder
from engine.inference.flow import Guidance, Update, sample
from engine.inference.prefill import Context, ContextItem, TextTokens, VaeImage, VitImage, prefill
from engine.inference.taylor import draft_timesteps
from engine.inference.text import decode
from engine.model.autoencoder import Autoencoder
from engine.model.bagel import Bagel
from engine.model.config import BAGEL_7B
from engine.model.patches import unpatchify
from engine.placement.profiles import PROFILES, Profile

LIMIT = 8 * 60.0
GIB = 2**30
TOKENS = SpecialTokens(bos=1, eos=2, start_of_image=3, end_of_image=4)
ENDLESS = replace(TOKENS, eos=-1)
"""With an eos that is never chosen, so that texts get the length that is asked for."""
PROMPT = TextTokens(tuple(range(100, 160)))
INSTRUCTION = TextTokens(tuple(range(200, 240)))
H200 = "the target is for an H200"
FILE = 31 * 10**9
"""Bytes of a 7B-shaped folder, and some."""


@dataclass(frozen=True)
class Size:
    """How much is drawn and written."""

    pixels: int = 1024
    seen_pixels: int = 980
    points: int = 50
    text: int = 128


@dataclass
class Subject:
    """A model in one precision, and what is timed. Seconds count until the device has finished."""

    model: Bagel
    autoencoder: Autoencoder
    size: Size
    sequential_guidance: bool = False

    def read(self, items: Sequence[ContextItem]) -> Context:
        context = Context()
        for item in items:
            context = Context((*context.segments, prefill(self.model, TOKENS, context, item)))
        return context

    def picture(self) -> list[ContextItem]:
        """A picture as the items of a context, encoded when it is read."""
        weight = self.autoencoder.encoder.conv_in.weight
        pixels = torch.zeros(1, 3, self.size.pixels, self.size.pixels)
        seen = torch.zeros(3, self.size.seen_pixels, self.size.seen_pixels)

        @torch.inference_mode()
        def encoded() -> Tensor:
            return self.autoencoder.encode(pixels.to(weight))[0]

        return [VaeImage("measured", encoded), VitImage("measured", lambda: seen)]

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
            sequential_guidance=self.sequential_guidance,
        )

    def seconds_to_draw(self, *, draft: bool = False) -> float:
        """Seconds for all updates of a picture after a prompt, with text guidance where t is above 0.4."""
        contexts = [self.read([PROMPT]), Context()]
        for _ in zip(range(2), self.updates(contexts, 4), strict=False):
            pass  # warms up
        points = draft_timesteps(self.size.points) if draft else self.size.points
        return timed(lambda: [None for _ in self.updates(contexts, points, draft=draft)], self.model.device)

    def seconds_to_read(self) -> float:
        """Seconds to read a picture into a context: encoding it twice, and running both segments."""
        self.read(self.picture())  # warms up
        return timed(lambda: self.read(self.picture()), self.model.device)

    def tokens_a_second(self, decoder: TokenDecoder) -> float:
        context, count = self.read([PROMPT]), self.size.text

        def write() -> None:
            for _ in decode(decoder, ENDLESS, context, max_new_tokens=count):
                pass

        write()
        return count / timed(write, self.model.device)

    @torch.inference_mode()
    def whole_picture(self, *, edit: bool) -> None:
        """Everything at a picture's peaks of memory: reading, a few guided updates, decoding.

        What a painter keeps meanwhile is kept: its recorded graph for text, and the contexts.
        """
        kept = make_decoder(self.model, static=True)
        if edit:
            seen = self.read(self.picture())
            after = prefill(self.model, TOKENS, seen, INSTRUCTION)
            contexts = [Context((*seen.segments, after)), seen, self.read([INSTRUCTION])]
        else:
            contexts = [self.read([PROMPT]), Context()]
        *_, last = self.updates(contexts, 4)
        side = self.size.pixels // self.model.config.latent_downsample
        latent = unpatchify(last.x, self.model.config.latent_patch, side, side)[None]
        self.autoencoder.decode(latent.to(self.autoencoder.decoder.conv_in.weight))
        del kept


def timed(call: Callable[[], object], device: torch.device) -> float:
    settle(device)
    began = time.perf_counter()
    call()
    settle(device)
    return time.perf_counter() - began


def settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def speeds(build: Callable[[str], Subject], table: Table) -> None:
    """Drawing and writing in every precision; ratios are against bf16 of this run."""
    subject: Subject | None = None

    def made(precision: str) -> float:
        nonlocal subject
        subject = None
        release()
        began = time.perf_counter()
        subject = build(precision)
        return time.perf_counter() - began

    what = f"{Size.pixels}², {Size.points} timesteps, text guidance"
    table.add("making the model on the GPU, bf16", lambda: made("bf16"), Row, "s")
    drawn = None
    if subject:
        drawn = table.add(f"{what}, bf16", subject.seconds_to_draw, at_most, 11.0, "s", H200)
        table.add("the same as a draft", lambda: subject.seconds_to_draw(draft=True), Row, "s")
        if drawn:
            sequential = replace(subject, sequential_guidance=True)
            share = lambda: sequential.seconds_to_draw() / drawn  # noqa: E731
            table.add("sequential guidance: share of the time in one pass", share, Row, "×")
            del sequential
        _write(table, subject, "bf16")
        plain = EagerDecoder(subject.model)
        table.add("text, bf16, without a graph", lambda: subject.tokens_a_second(plain), Row, "tokens/s")
        table.add("reading a picture, autoencoder and all", subject.seconds_to_read, Row, "s")
        del plain
    for precision, bound in (("fp8", 1 / 1.25), ("nf4", 1.15)):
        making = f"making the model on the GPU, {precision}"
        if table.add(making, partial(made, precision), Row, "s") is None or subject is None:
            continue
        if drawn:
            share = lambda: subject.seconds_to_draw() / drawn  # noqa: E731
            table.add(f"{what}, {precision}: share of bf16's time", share, at_most, bound, "×")
        else:
            table.add(f"{what}, {precision}", subject.seconds_to_draw, Row, "s")
        if precision == "nf4":
            _write(table, subject, "nf4")


def _write(table: Table, subject: Subject, precision: str) -> None:
    speed = lambda: subject.tokens_a_second(CudaGraphDecoder(subject.model))  # noqa: E731
    table.add(f"text, {precision}", speed, at_least, 150.0, "tokens/s", H200)


def peaks(table: Table) -> None:
    """Peak memory reserved while a profile makes a picture, in a process capped at the GPU's size."""
    for name, gib, bound in (("12gb", 12, 11.0), ("24gb", 24, 21.0)):
        for edit in (False, True):
            what = f"peak memory, profile {name}, {'edit' if edit else 'text to image'}"
            peak = partial(peak_of, PROFILES[name], gib, edit=edit)
            table.add(what, peak, at_most, bound, "GiB")


def peak_of(profile: Profile, gib: float, *, edit: bool) -> float:
    """GiB reserved at most, with a model made for it; raises as torch does when ``gib`` aren't enough."""
    release()
    torch.cuda.set_per_process_memory_fraction(
        min(1.0, gib * GIB / torch.cuda.get_device_properties(0).total_memory)
    )
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
        Subject(model, autoencoder, Size(), profile.sequential_guidance).whole_picture(edit=edit)
        return torch.cuda.max_memory_reserved() / GIB
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def loading(folder: Path | None, table: Table, device: str = "cuda") -> None:
    """Loading a 7B-shaped file from this disk to nf4 on the GPU: what bounds it, and the memory it takes."""
    release()
    found: LoadSpeed | None = None

    def measure() -> float:
        nonlocal found
        if folder:
            found = measure_load(folder, device, "nf4")[0]
        else:
            with tempfile.TemporaryDirectory() as made:
                check_room(Path(made), table.clock)
                write_random_folder(Path(made), BAGEL_7B, BAGEL_7B_AUTOENCODER, default_checkpoint())
                found = measure_load(Path(made), device, "nf4")[0]
        return found.seconds

    table.add("loading a folder to nf4", measure, Row, "s", needs=60)
    if not found:
        return
    table.rows.append(Row("the disk alone", found.disk / 1e9, "GB/s", remark="bytes as stored"))
    if found.quantiser is not None:
        table.rows.append(Row("the quantiser alone", found.quantiser / 1e9, "GB/s", remark="bytes as stored"))
    if found.peak_device is not None and found.final_device is not None:
        more = (found.peak_device - found.final_device) / GIB
        table.rows.append(at_most("GPU memory while loading, above its end", more, 0.3, "GiB"))
    if found.peak_host is not None:
        what = "main memory while loading, beyond the page cache"
        table.rows.append(at_most(what, found.peak_host / GIB, 3.0, "GiB"))


def check_room(folder: Path, clock: Clock) -> None:
    """Raises ``OSError`` when there is no room in ``folder`` for a 7B-shaped file, or no time to write it."""
    if shutil.disk_usage(folder).free < FILE:
        raise OSError(f"no room for the file in {folder}; give a folder with --checkpoint")
    probe = folder / "probe"
    began = time.perf_counter()
    write_random_folder(probe, MIDSIZE, MIDSIZE_AUTOENCODER, default_checkpoint())
    forget(probe)
    seconds = time.perf_counter() - began
    size = sum(path.stat().st_size for path in probe.iterdir())
    shutil.rmtree(probe)
    if not clock.allows(2 * seconds * FILE / size):  # it is written, then read
        raise OSError(
            f"{size / seconds / 1e6:.0f} MB/s are written: no time; give a folder with --checkpoint"
        )


def release() -> None:
    """Gives back what earlier rows held."""
    gc.collect()
    torch.cuda.empty_cache()


def run(arguments: argparse.Namespace) -> int:
    """Prints the table. Returns the exit code."""
    if not torch.cuda.is_available():
        print("There is no GPU that torch can use (CUDA), so nothing was measured.")
        return 0
    clock = Clock(LIMIT)

    def build(precision: str) -> Subject:
        return Subject(*random_model(BAGEL_7B, BAGEL_7B_AUTOENCODER, "cuda", precision), Size())

    table = Table(clock)
    speeds(build, table)
    peaks(table)
    loading(arguments.checkpoint, table)
    show("7B shapes with random weights", table.rows, arguments.json)
    return 0
