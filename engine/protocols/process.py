"""The process protocol: Plan, Sketch, Inspect, Refine, round after round, until the model says it is done.

The one place of its text forms: the running model is shown, and the training data written, by the
functions here (process-driven image generation, arXiv 2604.04746). The tags are the model's
own output; the native driver asks nothing more of it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from engine.core.assets import asset
from engine.core.trajectory import Step, round_numbers
from engine.protocols.base import (
    COMPLETE,
    TAG,
    Choose,
    Draw,
    ParseError,
    Protocol,
    Stop,
    Write,
    images_spent,
    limit_reached,
    neutral,
    unquoted,
)
from engine.protocols.thoughts import thought_text

if TYPE_CHECKING:
    from engine.core.settings import Settings


@cache
def texts() -> dict[str, str]:
    """The prefixes and forms of ``assets/protocols/process.toml``."""
    with asset("protocols/process.toml").open("rb") as file:
        return tomllib.load(file)


def prompt_text(prompt: str) -> str:
    """The prompt as the model is shown it."""
    return texts()["prompt"].format(prompt=neutral(prompt))


def plan_text(instruction: str, description: str, author: str = "model") -> str:
    """A plan as the model writes it or, by ``person``, as it is shown one that overrides the prompt."""
    plan = texts()["plan"].format(instruction=neutral(instruction), description=neutral(description))
    return _prefix(author) + plan


def inspect_text(verdict: str, correction: str = "", author: str = "model") -> str:
    """An inspection as the model writes it; with a correction it asks for a refine."""
    form = texts()["inspect_fault" if correction.strip() else "inspect_pass"]
    return _prefix(author) + form.format(verdict=neutral(verdict), correction=neutral(correction))


def _prefix(author: str) -> str:
    return texts()["artist"] if author == "person" else ""


def rounds_spent(trajectory: Sequence[Step], settings: Settings) -> Stop | None:
    """The end that a cap makes before another round, if one is reached."""
    if round_numbers(trajectory)[-1] >= settings.max_rounds:
        return limit_reached(settings.max_rounds, "round")
    return images_spent(trajectory, settings)


@dataclass(frozen=True, kw_only=True)
class Process(Protocol):
    """Plan → Sketch → Inspect → (Refine), and the model chooses between a next plan and the end."""

    name = "process"
    title = "In rounds"
    sentence = "Plans one thing, sketches it, inspects the sketch, refines what is wrong; round after round."
    round_kinds: ClassVar[tuple[str, ...]] = ("plan", "sketch", "inspect")
    has_rounds = True

    def next(
        self, trajectory: Sequence[Step], settings: Settings, chosen: str | None = None
    ) -> Write | Draw | Choose | Stop:
        if not trajectory:
            raise ValueError("a trajectory begins with its prompt; this one is empty")
        tip = trajectory[-1]
        if tip.kind == "prompt" or tip.is_start:  # nobody asked the model for a picture that is the start
            return self.write("plan", trajectory, settings)
        if tip.kind in ("plan", "think", "reflect"):
            return images_spent(trajectory, settings) or self.draw("sketch", trajectory, settings)
        if tip.kind in ("sketch", "image"):
            return self.write("inspect", trajectory, settings)
        if tip.is_fault:
            return images_spent(trajectory, settings) or self.draw("refine", trajectory, settings)
        return self.after_round(trajectory, settings, chosen)

    def after_round(
        self, trajectory: Sequence[Step], settings: Settings, chosen: str | None
    ) -> Write | Choose | Stop:
        """What follows a finished round: the model chooses between another one and the end."""
        if chosen is None:
            shown = self.truncate_history(trajectory, settings)
            return Choose(self.parts(shown), {"text": "plan", "end": "end"})
        if chosen == "end":
            return Stop(COMPLETE, finished=True)
        return rounds_spent(trajectory, settings) or self.write("plan", trajectory, settings)

    def next_text(self, tip: Step) -> str | None:
        if tip.kind == "sketch":
            return "inspect"
        return "plan" if tip.kind in ("prompt", "refine", "image") or tip.is_pass else None

    def step_text(self, step: Step) -> str:
        if step.kind == "prompt":
            return prompt_text(step.fields["text"])
        if step.kind == "plan":
            return plan_text(step.fields["instruction"], step.fields["description"], step.author)
        if step.kind == "inspect":
            return inspect_text(step.fields["verdict"], step.fields["correction"], step.author)
        return thought_text(step.fields["text"])

    def read_answer(self, text: str) -> str:
        """Without tags, where the model says what it would say in an inspection or a plan."""
        outside, inside = _fields(text)
        return super().read_answer(" ".join(filter(None, (outside, *inside.values()))))

    def parse(self, kind: str, text: str) -> dict[str, str] | None:
        """Tolerant: both slash styles, missing openers and closers, text and quotes around the tags.

        A plan needs an instruction, its description may be empty. An inspection needs a verdict or a
        correction; an empty ``<refine>`` counts as none.
        """
        if kind not in ("plan", "inspect"):
            raise ParseError(f"the process protocol has no text of the kind {kind!r}")
        if not text.strip("\0 \t\r\n"):
            raise ParseError("it is empty")
        outside, inside = _fields(text)
        if kind == "plan":
            if not inside.get("ins"):
                raise ParseError("it has no instruction between <ins> and </ins>")
            return {"instruction": inside["ins"], "description": inside.get("des", "")}
        if not outside and not inside.get("refine"):
            raise ParseError("it has neither a verdict nor a correction between <refine> and </refine>")
        return {"verdict": outside, "correction": inside.get("refine", "")}


_CUT_TAG = re.compile(r"<(?:[/\\]\w*|i|in|ins|d|de|des|r|re|ref|refi|refin|refine)\s*$", re.IGNORECASE)


def _fields(text: str) -> tuple[str, dict[str, str]]:
    """The text before the first tag, and the text of each tag (the first of a name wins)."""
    text = text.replace("\0", "")  # no database keeps it
    text = _CUT_TAG.sub("", text.strip()).removeprefix(texts()["artist"].strip())
    inside: dict[str, str] = {}
    outside: str | None = None
    now, start = None, 0

    for tag in TAG.finditer(text):
        piece, name = text[start : tag.start()], tag["name"].lower()
        start = tag.end()
        if now is not None:
            inside.setdefault(now, unquoted(piece))
        elif tag["slash"] and name not in inside:
            inside[name] = unquoted(piece)
            outside = outside or ""
        elif outside is None:
            outside = unquoted(piece)
        # An opener that follows itself is a closer that lost its slash.
        now = None if tag["slash"] or name == now else name

    rest = text[start:]
    if now is not None:
        inside.setdefault(now, unquoted(rest))
    return unquoted(rest) if outside is None else outside, inside
