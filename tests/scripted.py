"""A model without a network, and a recorder without a database: for fast tests of the loop around them.

The painter follows the grammar of what it is shown: after a prompt in the form of the process it plans
and inspects, after bare words it thinks and reflects. It draws
flat coloured pictures whose colours are the ones the newest text names, and is deterministic in
(parts, seed), as the real one is.
"""

from __future__ import annotations

import hashlib
import io
import random
import re
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import PIL.Image
import PIL.ImageDraw

from engine import protocols as grammars
from engine.core.events import Answered, Event, Preview, TextDelta
from engine.core.image_sizes import ImageSizes
from engine.core.parts import ImagePart, Part, TextPart
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.inference.events import Check, Choice, Drawn, Reuse, Written, no_check
from engine.protocols.history import MAX_PICTURES
from engine.protocols.process import inspect_text, plan_text, prompt_text
from engine.protocols.prompts import default_prompts
from engine.protocols.thoughts import reflection, thought_text
from engine.runs.opened_model import OpenedModel, recommended
from engine.serving.queue import Job, QuestionJob, RunJob

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
    """The methods of a painter; :func:`scripted_model` opens it.

    ``texts`` are written first, in order, whatever is asked; after them the painter writes its own:
    ``rounds`` rounds, with a fault found in those of ``fault_rounds``. A text of ``texts`` may be an
    exception, which is raised instead. ``on_token`` and ``on_update`` are called before each
    token and flow update with its number (from 1): a test can wait or raise there.
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
        image_sizes: ImageSizes | None = None,
        on_token: Callable[[int], None] | None = None,
        on_update: Callable[[int], None] | None = None,
    ) -> None:
        self.fingerprint: dict[str, Any] = {
            "checkpoint": "scripted",
            "precision": "float32",
            "device": "cpu",
            "engine": "0.1.0",
        }
        self.image_sizes = image_sizes or ImageSizes((size[1], size[0]), 16, max(size), max(size))
        self.rounds, self.fault_rounds, self.updates, self.size = rounds, fault_rounds, updates, size
        self.token_delay, self.update_delay = token_delay, update_delay
        self.on_token, self.on_update = on_token, on_update
        self.asked: list[dict[str, Any]] = []
        """Every call with its arguments, for tests to look at."""
        self._texts = list(texts)

    def write(
        self,
        parts: Sequence[Part],
        *,
        pixels: Callable[[str], PIL.Image.Image],
        max_tokens: int,
        temperature: float,
        seed: int,
        check: Check = no_check,
    ) -> Generator[TextDelta | Written]:
        self._note("write", parts, pixels, max_tokens=max_tokens, temperature=temperature, seed=seed)
        text = self._texts.pop(0) if self._texts else self._own_text(parts)
        if isinstance(text, Exception):
            raise text
        pieces = re.findall(r"\s*\S+", text) or [""]
        cut = len(pieces) > max_tokens
        pieces = pieces[:max_tokens]
        before = len(parts) - 1
        reuse = Reuse(reused_tokens=10 * before, prefilled_tokens=10, saved_seconds=0.3 if before else 0.0)
        for count, piece in enumerate(pieces, start=1):
            if self.on_token:
                self.on_token(count)
            time.sleep(self.token_delay)
            yield TextDelta(piece)
        yield Written(len(pieces), "length" if cut else "eos", reuse)

    def choose(
        self,
        parts: Sequence[Part],
        *,
        pixels: Callable[[str], PIL.Image.Image],
        options: frozenset[str],
        check: Check = no_check,
    ) -> Choice:
        self._note("choose", parts, pixels, options=options)
        done = sum(_is_plan(s) for s in parts) >= self.rounds
        return Choice("end" if done else "text", 0.75)

    def draw(
        self,
        parts: Sequence[Part],
        *,
        text_free: Sequence[Part],
        image_free: Sequence[Part],
        pixels: Callable[[str], PIL.Image.Image],
        settings: Settings,
        seed: int,
        size: tuple[int, int] | None = None,
        check: Check = no_check,
    ) -> Generator[Preview | Drawn]:
        free = {"text_free": text_free, "image_free": image_free}
        self._note("draw", parts, pixels, **free, settings=settings, seed=seed, size=size)
        height, width = size or self.size
        picture = _picture(parts, seed, width, height)
        blank = PIL.Image.new("RGB", picture.size, "#8a8578")
        for index in range(1, self.updates + 1):
            if self.on_update:
                self.on_update(index)
            time.sleep(self.update_delay)
            small = PIL.Image.blend(blank, picture, index / self.updates).resize((width // 2, height // 2))
            yield Preview(small, index, self.updates)
        reuse = Reuse(10 * (len(parts) - 1), prefilled_tokens=10, saved_seconds=1.2)
        yield Drawn(picture, self.updates, 2 * self.updates, reuse)

    def _note(
        self,
        call: str,
        parts: Sequence[Part],
        pixels: Callable[[str], PIL.Image.Image],
        **arguments: Any,
    ) -> None:
        for part in parts:
            if isinstance(part, ImagePart):
                pixels(part.digest)  # the real painter needs every picture, so a missing one must show here
        self.asked.append({"call": call, "parts": tuple(parts), **arguments})

    def _own_text(self, parts: Sequence[Part]) -> str:
        asked = parts[-1].text if isinstance(parts[-1], TextPart) else ""
        if "exactly two lines" in asked:
            return self._guided_text(asked, sum(isinstance(s, ImagePart) for s in parts))
        if not asked.startswith(("<", "Artist", prompt_text(""))) and isinstance(parts[0], ImagePart):
            return f"It shows {sum(isinstance(s, ImagePart) for s in parts)} picture; you asked: {asked}"
        if not parts[0].text.startswith(prompt_text("")):
            return thought_text(_thought(parts))
        number = sum(_is_plan(s) for s in parts)
        newest = next(s for s in reversed(parts) if isinstance(s, TextPart))
        if not _is_plan(newest) and not newest.text.startswith("<think>"):
            number += 1
            colour, thing = _named(parts)[(number - 1) % len(_named(parts))]
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


def scripted_model(
    painter: Any = None,
    *,
    protocols: Sequence[str] = ("process", "direct"),
    guided: bool = False,
    max_pictures: int = MAX_PICTURES,
    sampling: Mapping[str, Any] | None = None,
    **options: Any,
) -> OpenedModel:
    """The painter, or a :class:`ScriptedPainter` with these ``options``, with protocols by these names."""
    painter = painter or ScriptedPainter(**options)
    drivers = grammars.guided_protocols() if guided else grammars.trained_protocols(default_prompts()["ask"])
    offered = {name: drivers[name] for name in protocols}
    title, (width, height) = "Scripted painter · no model", painter.size
    return OpenedModel(
        painter,
        offered,
        title,
        about=f"{title} · about 0.1 s a picture of {width}x{height}",
        settings=recommended(sampling or {}, offered),
        sampling=sampling or {},
    ).with_max_pictures(max_pictures)


def _is_plan(part: Part) -> bool:
    return isinstance(part, TextPart) and "<ins>" in part.text


def _thought(parts: Sequence[Part]) -> str:
    things = [f"a {colour} {thing}" for colour, thing in _named(parts)]
    if not any(isinstance(s, ImagePart) for s in parts):
        return f"The picture shall show {' and '.join(things)}, large and clear."
    return reflection(
        f"The colours of {things[0]} are pale and its edges are soft.",
        f"{things[0].capitalize()} with strong colours and clean edges.",
        f"Keep everything where it is. Paint {things[0]} anew.",
        f"A clear picture of {' and '.join(things)}.",
    )


def _named(parts: Sequence[Part]) -> list[tuple[str, str]]:
    """The coloured things of the prompt, or a grey something."""
    return _coloured(parts[0].text if isinstance(parts[0], TextPart) else "")


def _coloured(prompt: str) -> list[tuple[str, str]]:
    return re.findall(rf"({'|'.join(COLOURS)}) ({'|'.join(_THINGS)})", prompt) or [("grey", "something")]


def _picture(parts: Sequence[Part], seed: int, width: int, height: int) -> PIL.Image.Image:
    dice = random.Random(seed)
    newest = next((s.text for s in reversed(parts) if isinstance(s, TextPart)), "")
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
        """(job id, "state" | "step" | "event" | "image", value)"""
        self.changed = threading.Condition()

    def begin(self, branch_id: str, prompt: str, seed: int = 0) -> Step:
        """A branch with its prompt step."""
        root = Step(None, "prompt", "person", {"text": prompt}, recipe={"session_seed": seed})
        self.paths[branch_id] = [root]
        return root

    def worker_changed(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def trajectory(self, job: Job) -> list[Step]:
        """A run's branch; for a question, the branch that the step is on."""
        if isinstance(job, RunJob):
            return list(self.paths[job.branch_id])
        return next(path for path in self.paths.values() if any(step.id == job.step_id for step in path))

    def pixels(self, job: Job, digest: str) -> PIL.Image.Image:
        return self.load(digest)

    def load(self, digest: str) -> PIL.Image.Image:
        return PIL.Image.open(io.BytesIO(self.images[digest])).convert("RGB")

    def store_image(self, image: PIL.Image.Image) -> str:
        data = png(image)
        digest = hashlib.sha256(data).hexdigest()
        self.images[digest] = data
        self._note("", "image", digest)
        return digest

    def finish_step(self, run: RunJob, step: Step) -> None:
        path = self.paths[run.branch_id]
        if step.parent != path[-1].id:
            raise RuntimeError(f"the branch {run.branch_id} has moved")
        path.append(step)
        self._note(run.id, "step", step)

    def set_run(self, run: RunJob, state: str, cause: str = "", next_action: str = "") -> None:
        self._note(run.id, "state", (state, cause, next_action))

    def publish(self, run: RunJob, event: Event) -> None:
        self._note(run.id, "event", event)

    def finish_answer(self, question: QuestionJob, answered: Answered) -> None:
        self._note(question.id, "answer", answered)

    def set_question(self, question: QuestionJob, state: str, cause: str = "", next_action: str = "") -> None:
        self._note(question.id, "state", (state, cause, next_action))

    def publish_answer(self, question: QuestionJob, event: Event) -> None:
        self._note(question.id, "event", event)

    def state(self, job_id: str) -> str | None:
        """The last state set for this job."""
        return next(
            (value[0] for job, what, value in reversed(self.log) if (job, what) == (job_id, "state")), None
        )

    def events(self, job_id: str) -> list[Any]:
        return [value for job, what, value in self.log if (job, what) == (job_id, "event")]

    def wait(self, until: Callable[[], bool], seconds: float = 5.0) -> None:
        """Blocks until ``until()`` holds; fails the test when it does not within ``seconds``."""
        with self.changed:
            assert self.changed.wait_for(until, seconds), f"waited {seconds} s in vain; log: {self.log[-8:]}"

    def _note(self, job_id: str, what: str, value: Any) -> None:
        with self.changed:
            self.log.append((job_id, what, value))
            self.changed.notify_all()
