"""The mid-size model on one CPU thread: this engine against a baseline with the same weights.

256x256 pixels, text guidance at every update, float32, then bfloat16. The results are compared first, and
timed only if they agree. Seconds are processor seconds of the one thread.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import baseline
from benchmarks.models import midsize
from benchmarks.table import Row, at_least, show, time_alternately
from engine.checkpoints.reader import load_checkpoint
from engine.inference.decoding import EagerDecoder
from engine.inference.flow import Guidance, sample
from engine.inference.prefill import Context, TextTokens, prefill
from engine.inference.taylor import draft_timesteps
from engine.inference.text import decode
from engine.model.bagel import Bagel
from engine.model.weight_layout import store_weights_by_column

SIDE, POINTS, SHIFT, TOKENS = 16, 5, 3.0, 48
GUIDANCE = Guidance(4.0)
AGREES = 2e-4


class Subject:
    """One model in one precision, with a prompt of 30 tokens read, and everything that is timed."""

    def __init__(self, folder: Path, precision: str) -> None:
        self.checkpoint = load_checkpoint(folder, "cpu", precision)
        self.untouched: Bagel = load_checkpoint(folder, "cpu", precision).model
        """For the baseline: as it was loaded."""
        self.model: Bagel = self.checkpoint.model
        store_weights_by_column(self.model.language_model)
        self.tokens = self.checkpoint.tokenizer.tokens
        ids = TextTokens(tuple(range(40, 70)))
        self.context = Context((prefill(self.model, self.tokens, Context(), ids),))
        values = self.model.config.latent_values
        self.noise = torch.randn(SIDE * SIDE, values, generator=torch.Generator().manual_seed(1))

    def draw(
        self, points: int = POINTS, *, extrapolate: bool = False, sequential_guidance: bool = False
    ) -> torch.Tensor:
        *_, last = sample(
            self.model,
            self.tokens,
            self.noise,
            (SIDE, SIDE),
            self.context,
            text_free=Context(),
            image_free=self.context,
            guidance=GUIDANCE,
            timesteps=points,
            shift=SHIFT,
            extrapolate=extrapolate,
            sequential_guidance=sequential_guidance,
        )
        return last.x

    def draw_baseline(self) -> torch.Tensor:
        contexts, grid = [self.context, Context()], (SIDE, SIDE)
        return baseline.draw(self.untouched, self.tokens, self.noise, grid, contexts, GUIDANCE, POINTS, SHIFT)

    def write(self) -> list[int]:
        endless = replace(self.tokens, eos=-1)
        tokens = decode(EagerDecoder(self.model), endless, self.context, max_new_tokens=TOKENS)
        return [token.id for token in tokens]

    def write_baseline(self) -> list[int]:
        return baseline.write(self.untouched, self.tokens, self.context, TOKENS)

    @torch.inference_mode()
    def decode(self) -> torch.Tensor:
        autoencoder = self.checkpoint.autoencoder
        side = SIDE * self.model.config.latent_patch
        latent = torch.zeros(1, autoencoder.config.z_channels, side, side)
        return autoencoder.decode(latent.to(next(autoencoder.parameters())))


def measure(folder: Path, repeats: int) -> list[Row]:
    """All rows. Raises ``RuntimeError`` when the two ways disagree."""
    one = Subject(folder, "float32")
    gap = (one.draw() - one.draw_baseline()).abs().max().item()
    if gap > AGREES or one.write() != one.write_baseline():
        raise RuntimeError(f"the two ways disagree (latents by {gap:.1e}); their times can't be compared")
    updates = POINTS - 1
    drawn = time_alternately(
        {
            "here": one.draw,
            "sequential": lambda: one.draw(sequential_guidance=True),
            "baseline": one.draw_baseline,
        },
        repeats,
        time.process_time,
    )
    written = time_alternately(
        {"here": one.write, "baseline": one.write_baseline}, repeats, time.process_time
    )
    points = 25
    drafted = time_alternately(
        {
            "final": lambda: one.draw(points),
            "draft": lambda: one.draw(draft_timesteps(points), extrapolate=True),
        },
        max(1, repeats // 3),
        time.process_time,
    )
    decoded = time_alternately({"here": one.decode}, repeats, time.process_time)["here"]
    rows = [
        Row("largest difference of a latent, both ways", gap, "", f"≤ {AGREES:g}", gap <= AGREES),
        Row("one guided update", drawn["here"] / updates, "s"),
        Row("one guided update, baseline", drawn["baseline"] / updates, "s"),
        at_least("updates: times as fast as the baseline", drawn["baseline"] / drawn["here"], 1.0),
        Row(
            "updates: guidance in one pass against sequential",
            drawn["sequential"] / drawn["here"],
            "×",
        ),
        Row("text", TOKENS / written["here"], "tokens/s"),
        Row("text, baseline", TOKENS / written["baseline"], "tokens/s"),
        at_least("text: times as fast as the baseline", written["baseline"] / written["here"], 1.5),
        Row("decoding a picture", decoded, "s"),
        Row(f"{points - 1} updates, final against draft", drafted["final"] / drafted["draft"], "×"),
    ]
    what = "updates: bfloat16 against float32"
    if not _has_bfloat16():
        return [*rows, Row(what, None, remark="this CPU has no bfloat16 instructions")]
    two = Subject(folder, "bf16")
    halved = time_alternately({"float32": one.draw, "bfloat16": two.draw}, repeats, time.process_time)
    return [*rows, at_least(what, halved["float32"] / halved["bfloat16"], 1.8)]


def _has_bfloat16() -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.exists() and any(name in flags.read_text() for name in ("avx512_bf16", "amx_bf16"))


def run(arguments: argparse.Namespace) -> int:
    """Prints the table. Returns the exit code."""
    torch.set_num_threads(1)
    with midsize(arguments.checkpoint) as folder:
        rows = measure(folder, arguments.repeats)
    show("Mid-size model, 256x256, one CPU thread", rows, arguments.json)
    return 0
