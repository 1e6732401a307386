"""A painter without a network, and a recorder without a database: for fast tests of the loop around them.

The painter follows the grammar of what it is shown: after a prompt in the form of the process it plans
and inspects, after bare words it thinks and reflects. It draws
flat coloured pictures whose colours are the ones the newest text names, and is deterministic in
(segments, seed), as the real one is.
"""

from __future__ import annotations

import hashlib
import io
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import PIL.Image
import PIL.ImageDraw

from engine import protocols as grammars
from engine.core.image_sizes import ImageSizes
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.inference.events import Check, Choice, FlowUpdate, Reuse, TextDelta, go_on
from engine.protocols.base import Image, Segment, Text
from engine.protocols.history import MAX_PICTURES
from engine.protocols.process import inspect_text, plan_text, prompt_text
from engine.protocols.thoughts import reflection, thought_text

COLOURS = {
    "red": "#c8553d",
    "blue": "#3d6fa5",
    "green": "#5b8e55",
    "yellow": "#e3b23c",
    "purple": "#7d5a8c",
    "orange": "#dd8a3e",
    "white": "#f4f0e6",
    "black": "#33302c",
}
_THINGS = ("house", "tree", "boat", "cat", "sun", "lantern")


class ScriptedPainter:
    """The methods of a painter.

    ``texts`` are written first, in order, whatever is asked; after them the painter writes its own:
    ``rounds`` rounds, with a fault found in those of ``fault_rounds``. A text of ``texts`` may be an
    exception, which is raised instead. ``on_token`` and ``on_update`` are called before each
    token and flow update with its number (from 1): a test can wait or raise there. ``protocols`` are
    those it offers.
    """

    def __init__(
        self,
        texts: Sequence[str | Exception] = (),
        *,
        rounds: int = 2,
        fault_rounds: Sequence[int] = (1,),
        updates: int = 4,
        token_delay: float = 0.0,
        update_delay: float = 0.0,
        size: tuple[int, int] = (64, 64),
        protocols: Sequence[str] = ("process", "direct"),
        guided: bool = False,
        canvas: ImageSizes | None = None,
        max_pictures: int = MAX_PICTURES,
        on_token: Callable[[int], None] | None = None,
        on_update: Callable[[int], None] | None = None,
    ) -> None:
        self.fingerprint: dict[str, Any] = {
            "checkpoint": "scripted",
            "precision": "float32",
            "device": "cpu",
            "engine": "0.1.0",
        }
        self.title = "Scripted painter · no model"
        self.about = f"{self.title} · about 0.1 s a picture of {size[0]}x{size[1]}"
        self.sampling: dict[str, Any] = {}
        self.protocols = tuple(protocols)
        drivers = grammars.guided() if guided else grammars.native(grammars.house_prompts()["ask"])
        self.grammars = {name: drivers[name] for name in protocols}
        self.show_at_most(max_pictures)
        self.canvas = canvas or ImageSizes((size[1], size[0]), 16, max(size), max(size))
        self.rounds, self.fault_rounds, self.updates, self.size = rounds, fault_rounds, updates, size
        self.token_delay, self.update_delay = token_delay, update_delay
        self.on_token, self.on_update = on_token, on_update
        self.asked: list[dict[str, Any]] = []
        """Every call with its arguments, for tests to look at."""
        self._texts = list(texts)

    def show_at_most(self, pictures: int) -> None:
        self.max_pictures = pictures
        for grammar in self.grammars.values():
            grammar.max_pictures = pictures

    def write(
        self,
        segments: Sequence[Segment],
        *,
        pixels: Callable[[str], PIL.Image.Image],
        max_tokens: int,
        temperature: float,
        seed: int,
        check: Check = go_on,
    ) -> Iterator[TextDelta]:
        self._note("write", segments, pixels, max_tokens=max_tokens, temperature=temperature, seed=seed)
        text = self._texts.pop(0) if self._texts else self._own_text(segments)
        if isinstance(text, Exception):
            raise text
        pieces = re.findall(r"\s*\S+", text) or [""]
        cut = len(pieces) > max_tokens
        pieces = pieces[:max_tokens]
        before = len(segments) - 1
        reuse = Reuse(reused_tokens=10 * before, prefilled_tokens=10, saved_seconds=0.3 if before else 0.0)
        for count, piece in enumerate(pieces, start=1):
            if self.on_token:
                self.on_token(count)
            time.sleep(self.token_delay)
            last = count == len(pieces)
            finish = ("length" if cut else "eos") if last else None
            yield TextDelta(piece, count, finished=last, finish=finish, reuse=reuse)

    def choose(
        self,
        segments: Sequence[Segment],
        *,
        pixels: Callable[[str], PIL.Image.Image],
        options: frozenset[str],
        check: Check = go_on,
    ) -> Choice:
        self._note("choose", segments, pixels, options=options)
        done = sum(_is_plan(s) for s in segments) >= self.rounds
        return Choice("end" if done else "text", 0.75)

    def draw(
        self,
        segments: Sequence[Segment],
        *,
        text_free: Sequence[Segment],
        image_free: Sequence[Segment],
        pixels: Callable[[str], PIL.Image.Image],
        settings: Settings,
        seed: int,
        size: tuple[int, int] | None = None,
        check: Check = go_on,
    ) -> Iterator[FlowUpdate]:
        free = {"text_free": text_free, "image_free": image_free}
        self._note("draw", segments, pixels, **free, settings=settings, seed=seed, size=size)
        height, width = size or self.size
        picture = _picture(segments, seed, width, height)
        blank = PIL.Image.new("RGB", picture.size, "#8a8578")
        for index in range(1, self.updates + 1):
            if self.on_update:
                self.on_update(index)
            time.sleep(self.update_delay)
            last = index == self.updates
            preview = PIL.Image.blend(blank, picture, index / self.updates).resize((width // 2, height // 2))
            yield FlowUpdate(
                index,
                self.updates,
                preview=preview,
                image=picture if last else None,
                forwards=2 * index,
                reuse=Reuse(10 * (len(segments) - 1), prefilled_tokens=10, saved_seconds=1.2),
            )

    def _note(
        self,
        call: str,
        segments: Sequence[Segment],
        pixels: Callable[[str], PIL.Image.Image],
        **arguments: Any,
    ) -> None:
        for segment in segments:
            if isinstance(segment, Image):
                pixels(
                    segment.digest
                )  # the real painter needs every picture, so a missing one must show here
        self.asked.append({"call": call, "segments": tuple(segments), **arguments})

    def _own_text(self, segments: Sequence[Segment]) -> str:
        asked = segments[-1].text if isinstance(segments[-1], Text) else ""
        if "exactly two lines" in asked:
            return self._guided_text(asked, sum(isinstance(s, Image) for s in segments))
        if not asked.startswith(("<", "Artist", prompt_text(""))) and isinstance(segments[0], Image):
            return f"It shows {sum(isinstance(s, Image) for s in segments)} picture; you asked: {asked}"
        if not segments[0].text.startswith(prompt_text("")):
            return thought_text(_thought(segments))
        number = sum(_is_plan(s) for s in segments)
        newest = next(s for s in reversed(segments) if isinstance(s, Text))
        if not _is_plan(newest) and not newest.text.startswith("<think>"):
            number += 1
            colour, thing = _named(segments)[(number - 1) % len(_named(segments))]
            return plan_text(
                f"Add a {colour} {thing}.", f"The picture shows {number} things, the last a {colour} {thing}."
            )
        if number in self.fault_rounds:
            return inspect_text("The sketch is wrong, the colour is pale.", "Make the colour stronger.")
        return inspect_text("The sketch is right. What is missing is not drawn yet.")

    def _guided_text(self, asked: str, pictures: int) -> str:
        if "VERDICT" in asked:
            faulty = pictures in self.fault_rounds
            return (
                "VERDICT: WRONG, it is pale.\nFIX: Make it stronger."
                if faulty
                else "VERDICT: RIGHT, it fits."
            )
        if pictures >= self.rounds:
            return "DONE"
        colour, thing = (found := _coloured(asked))[pictures % len(found)]
        return f"DO: Add a {colour} {thing}.\nPICTURE: The picture shows a {colour} {thing}."


def _is_plan(segment: Segment) -> bool:
    return isinstance(segment, Text) and "<ins>" in segment.text


def _thought(segments: Sequence[Segment]) -> str:
    things = [f"a {colour} {thing}" for colour, thing in _named(segments)]
    if not any(isinstance(s, Image) for s in segments):
        return f"The picture shall show {' and '.join(things)}, large and clear."
    return reflection(
        f"The colours of {things[0]} are pale and its edges are soft.",
        f"{things[0].capitalize()} with strong colours and clean edges.",
        f"Keep everything where it is. Paint {things[0]} anew.",
        f"A clear picture of {' and '.join(things)}.",
    )


def _named(segments: Sequence[Segment]) -> list[tuple[str, str]]:
    """The coloured things of the prompt, or a grey something."""
    return _coloured(segments[0].text if isinstance(segments[0], Text) else "")


def _coloured(prompt: str) -> list[tuple[str, str]]:
    return re.findall(rf"({'|'.join(COLOURS)}) ({'|'.join(_THINGS)})", prompt) or [("grey", "something")]


def _picture(segments: Sequence[Segment], seed: int, width: int, height: int) -> PIL.Image.Image:
    dice = random.Random(seed)
    newest = next((s.text for s in reversed(segments) if isinstance(s, Text)), "")
    named = [COLOURS[word] for word in re.findall(r"\w+", newest.lower()) if word in COLOURS] or ["#9a958a"]
    picture = PIL.Image.new("RGB", (width, height), f"#{dice.randrange(0xB0, 0xF0):02x}e0d0")
    brush = PIL.ImageDraw.Draw(picture)
    for colour in named:
        left, top = dice.randrange(width // 2), dice.randrange(height // 2)
        brush.rectangle((left, top, left + width // 3, top + height // 3), fill=colour)
    return picture


def png(image: PIL.Image.Image) -> bytes:
    """The picture as PNG bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class MemoryRecorder:
    """What the worker records to, kept in memory; ``log`` has every call and event in order."""

    def __init__(self) -> None:
        self.paths: dict[str, list[Step]] = {}
        self.images: dict[str, bytes] = {}
        self.log: list[tuple[str, str, Any]] = []
        """(run id, "state" | "step" | "event" | "image", value)"""
        self.changed = threading.Condition()

    def begin(self, branch_id: str, prompt: str, seed: int = 0) -> Step:
        """A branch with its prompt step."""
        root = Step(None, "prompt", "person", {"text": prompt}, recipe={"session_seed": seed})
        self.paths[branch_id] = [root]
        return root

    def trajectory(self, job: Any) -> list[Step]:
        return list(self.paths[job.branch_id])

    def pixels(self, digest: str) -> PIL.Image.Image:
        return PIL.Image.open(io.BytesIO(self.images[digest])).convert("RGB")

    def keep_image(self, image: PIL.Image.Image) -> str:
        data = png(image)
        digest = hashlib.sha256(data).hexdigest()
        self.images[digest] = data
        self._note("", "image", digest)
        return digest

    def finish_step(self, job: Any, step: Step) -> None:
        path = self.paths[job.branch_id]
        if step.parent != path[-1].id:
            raise RuntimeError(f"the branch {job.branch_id} has moved")
        path.append(step)
        self._note(job.run_id, "step", step)

    def finish_answer(self, job: Any, answered: Any) -> None:
        self._note(job.run_id, "answer", answered)

    def set_run(self, job: Any, state: str, cause: str = "", next_action: str = "") -> None:
        self._note(job.run_id, "state", (state, cause, next_action))

    def publish(self, job: Any, event: Any) -> None:
        self._note(job.run_id, "event", event)

    def state(self, run_id: str) -> str | None:
        """The last state set for this run."""
        return next(
            (value[0] for run, what, value in reversed(self.log) if (run, what) == (run_id, "state")), None
        )

    def events(self, run_id: str) -> list[Any]:
        return [value for run, what, value in self.log if (run, what) == (run_id, "event")]

    def wait(self, until: Callable[[], bool], seconds: float = 5.0) -> None:
        """Blocks until ``until()`` holds; fails the test when it does not within ``seconds``."""
        with self.changed:
            assert self.changed.wait_for(until, seconds), f"waited {seconds} s in vain; log: {self.log[-8:]}"

    def _note(self, run_id: str, what: str, value: Any) -> None:
        with self.changed:
            self.log.append((run_id, what, value))
            self.changed.notify_all()
