"""What shared contexts are worth: a trajectory made with them, and the same calls one by one without.

The texts and pictures of the trajectory are given, so that both ways read the same; the model writes,
draws and chooses after each of them as a run would, with the checkpoint's own settings. Without reuse
every call reads its whole trajectory again; the guidance branches of one call share it all the same.
The checkpoint runs as the studio would run it here. Its words are those of tuned weights, whatever it is.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image as Pictures

from benchmarks.table import Row, at_least, show, time_alternately
from engine import protocols
from engine.core.assets import default_checkpoint
from engine.core.events import TextDelta
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.inference.events import Drawn, Reuse, Written
from engine.placement.planner import choose_placement
from engine.protocols.base import Choose, Draw, Write
from engine.runs.opened_model import OpenedModel, open_placed

ROUNDS, LONG = 3, 10


@dataclass
class Album:
    """Given pictures by their made-up digests: noise in blotches, each different."""

    size: tuple[int, int]

    def pixels(self, digest: str) -> Pictures.Image:
        generator = torch.Generator().manual_seed(int(digest))
        blotches = (torch.rand(8, 8, 3, generator=generator) * 255).to(torch.uint8)
        return Pictures.fromarray(blotches.numpy(), "RGB").resize(self.size, Pictures.Resampling.BICUBIC)


def given_rounds(rounds: int) -> list[Step]:
    """A process trajectory of so many rounds, each of a plan, a sketch and an inspection that passes."""
    path = [Step(None, "prompt", "person", {"text": "a red house left of a green tree at night"})]

    def add(kind: str, fields: dict[str, str] | None = None, image: str | None = None) -> None:
        path.append(Step(path[-1].id, kind, "model", fields or {}, image))

    for number in range(rounds):
        add(
            "plan",
            {
                "instruction": f"Add the part of the picture that has the number {number}.",
                "description": f"A red house left of a green tree at night, with {number} other things.",
            },
        )
        add("sketch", image=str(number))
        add("inspect", {"verdict": "The sketch fits so far. The rest is not drawn yet.", "correction": ""})
    return path


class Calls:
    """The calls that a run makes along a given trajectory, each thrown away when it is done."""

    def __init__(self, model: OpenedModel, settings: Settings) -> None:
        self.painter, self.settings = model.painter, settings
        self.process = replace(protocols.get("process"), max_pictures=model.max_pictures)
        height, width = self.painter.default_size
        self.album = Album((width, height))
        self.prefilled = 0

    def along(self, path: Sequence[Step], forget: Callable[[], None]) -> None:
        """Makes every call from the prompt on; ``forget`` is called before each."""
        for length in range(1, len(path)):
            ask = self.process.next(path[:length], self.settings)
            forget()
            if isinstance(ask, Choose):
                options = frozenset(ask.options)
                self.count(self.painter.choose(ask.parts, pixels=self.album.pixels, options=options).reuse)
                ask = self.process.next(path[:length], self.settings, chosen="plan")
                forget()
            assert isinstance(ask, Write | Draw)
            self.make(ask)

    def make(self, ask: Write | Draw) -> None:
        if isinstance(ask, Write):
            (reuse,) = (piece.reuse for piece in self.write(ask) if isinstance(piece, Written))
        else:
            updates = self.painter.draw(
                ask.parts,
                text_free=ask.text_free,
                image_free=ask.image_free,
                pixels=self.album.pixels,
                settings=self.settings,
                seed=0,
                size=self.painter.default_size,
            )
            (reuse,) = (update.reuse for update in updates if isinstance(update, Drawn))
        self.count(reuse)

    def write(self, ask: Write, most: int | None = None) -> Iterator[TextDelta | Written]:
        settings = self.settings
        return self.painter.write(
            ask.parts,
            pixels=self.album.pixels,
            max_tokens=most or settings.max_tokens,
            temperature=settings.temperature,
            seed=0,
        )

    def count(self, reuse: Reuse) -> None:
        self.prefilled += reuse.prefilled_tokens


def measure(folder: Path, repeats: int) -> list[Row]:
    model = open_placed(choose_placement(folder, profile=None, precision=None))
    painter, device = model.painter, model.fingerprint["device"]
    tokens_at_most = min(model.settings.max_tokens, 64)
    settings = model.settings.replace(protocol="process", max_tokens=tokens_at_most, max_rounds=ROUNDS + 1)
    calls, path = Calls(model, settings), given_rounds(ROUNDS)
    tokens: dict[str, int] = {}

    def forget() -> None:
        painter.cache.clear()

    def keep() -> None:
        pass

    def way(name: str, before_each: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            forget()
            calls.prefilled = 0
            calls.along(path, before_each)
            tokens[name] = calls.prefilled

        return run

    clock = time.process_time if device == "cpu" else time.perf_counter
    seconds = time_alternately({"reuse": way("reuse", keep), "alone": way("alone", forget)}, repeats, clock)
    rows = [
        Row(f"{ROUNDS} rounds: tokens read, reusing", tokens["reuse"], "tokens"),
        Row(f"{ROUNDS} rounds: tokens read, call by call", tokens["alone"], "tokens"),
        at_least("less reading", tokens["alone"] / tokens["reuse"], 2.0),
        Row(f"{ROUNDS} rounds, reusing", seconds["reuse"], "s"),
        Row(f"{ROUNDS} rounds, call by call", seconds["alone"], "s"),
        at_least("times as fast", seconds["alone"] / seconds["reuse"], 1.3),
    ]
    return rows + edited(model, calls, forget, repeats, clock)


def edited(
    model: OpenedModel, calls: Calls, forget: Callable[[], None], repeats: int, clock: Callable[[], float]
) -> list[Row]:
    """Rewriting the last plan of a trajectory of ten pictures, or of all that there is room for.

    Timed until the first token after it.
    """
    long = min(LONG, model.max_pictures)
    path, number = given_rounds(long)[:-1], itertools.count()
    *before, old, _ = path

    def first_token() -> None:
        fields = {**old.fields, "instruction": f"Make it different, for the {next(number)}th time."}
        plan = Step(old.parent, "plan", "person", fields)
        ask = Write("inspect", calls.process.parts([*before, plan]))
        *_, written = calls.write(ask, most=1)
        assert isinstance(written, Written)
        calls.count(written.reuse)

    def cold() -> None:
        forget()
        first_token()

    forget()
    first_token()
    calls.prefilled = 0
    first_token()
    warm_tokens = calls.prefilled
    # Warm goes second in each turn: the cold way has just read everything.
    seconds = time_alternately({"cold": cold, "warm": first_token}, repeats, clock)
    return [
        Row(f"edit at the last plan of {long} pictures: tokens read, warm", warm_tokens, "tokens"),
        Row("first token, warm", seconds["warm"] * 1000, "ms"),
        Row("first token, cold", seconds["cold"] * 1000, "ms"),
        at_least("times as soon", seconds["cold"] / seconds["warm"], 10.0),
    ]


def run(arguments: argparse.Namespace) -> int:
    """Prints the table. Returns the exit code."""
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    rows = measure(arguments.checkpoint or default_checkpoint(), arguments.repeats)
    show("Contexts reused against read again", rows, arguments.json)
    return 0
