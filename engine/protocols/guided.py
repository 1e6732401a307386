"""The guided driver of the process: asks a model that was never tuned on it for each step in turn.

Every step is a context of its own: the pictures of the history in order, then one text that says what to do.
The pictures come first, as the public model was trained to answer and to edit, and so that all steps after
a picture share its prefix. How answers are read is :mod:`engine.protocols.lenient_parser`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.core.parts import ImagePart, Part, TextPart
from engine.core.trajectory import Step
from engine.protocols.base import Choose, Draw, ParseError, Stop, Write, neutral
from engine.protocols.edits import EDIT
from engine.protocols.lenient_parser import read_inspection, read_plan, says_done
from engine.protocols.process import Process, rounds_spent
from engine.protocols.prompts import short_name

if TYPE_CHECKING:
    from engine.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class GuidedProcess(Process):
    """The grammar of :class:`Process` with our own instructions in place of training.

    The model ends it by answering that nothing is left to do: it is not asked to predict a token for that.
    """

    texts: Mapping[str, str]
    """The instructions by name: the section ``process`` of :mod:`engine.protocols.prompts`."""

    @property
    def driver(self) -> str:
        return "guided"

    @property
    def prompts(self) -> str:
        return short_name(self.texts)

    def next(
        self, trajectory: Sequence[Step], settings: Settings, chosen: str | None = None
    ) -> Write | Draw | Choose | Stop:
        """A picture to start from counts as a finished round: the words may ask for nothing else."""
        if trajectory and trajectory[-1].is_start:
            return self.after_round(trajectory, settings, chosen)
        return super().next(trajectory, settings, chosen)

    def after_round(
        self, trajectory: Sequence[Step], settings: Settings, chosen: str | None
    ) -> Write | Choose | Stop:
        ask = rounds_spent(trajectory, settings) or self.write("plan", trajectory, settings)
        if chosen is None or isinstance(ask, Stop):
            return ask
        one_more = TextPart(self._plan(trajectory, "one_more_plan"))
        return Write("plan", (*ask.parts[:-1], one_more))

    def write(self, kind: str, trajectory: Sequence[Step], settings: Settings) -> Write:
        pictures = self._pictures(trajectory, settings)
        words = "next_plan" if pictures else "first_plan"
        text = self._plan(trajectory, words) if kind == "plan" else self._inspection(trajectory)
        return Write(kind, (*pictures, TextPart(text)), may_end=kind == "plan" and bool(pictures))

    def draw(self, kind: str, trajectory: Sequence[Step], settings: Settings) -> Draw:
        """From the newest picture, as an edit; the first one from words alone."""
        pictures, text = self._pictures(trajectory, settings), TextPart(self._drawn_by(trajectory))
        return Draw(kind, (*pictures, text), pictures, (text,), EDIT if pictures else {})

    def repair(self, ask: Write, raw: str, reason: str) -> Write:
        form = self.texts["plan_form" if ask.kind == "plan" else "inspect_form"]
        form += "\n" + self.texts["repair_done"] if ask.may_end else ""
        again = TextPart(self.texts["repair"].format(reason=reason, form=form))
        answer = (TextPart(neutral(raw)),) if neutral(raw) else ()
        return Write(ask.kind, (*ask.parts, *answer, again), ask.may_end)

    def parse(self, kind: str, text: str) -> dict[str, str] | None:
        if kind == "plan":
            return None if says_done(text) else read_plan(text)
        if kind == "inspect":
            return read_inspection(text)
        raise ParseError(f"the process protocol has no text of the kind {kind!r}")

    def _plan(self, trajectory: Sequence[Step], words: str) -> str:
        done = [neutral(step.fields["instruction"]) for step in trajectory if step.kind == "plan"]
        if len(trajectory) > 1 and trajectory[1].is_start:
            done.insert(0, "It was begun from a picture.")
        return self.texts[words].format(
            prompt=_prompt(trajectory), done=" ".join(done), form=self.texts["plan_form"]
        )

    def _pictures(self, trajectory: Sequence[Step], settings: Settings) -> tuple[Part, ...]:
        shown = self.truncate_history(trajectory, settings)
        return tuple(ImagePart(step.image) for step in shown if step.image)

    def _inspection(self, trajectory: Sequence[Step]) -> str:
        return self.texts["inspect"].format(
            prompt=_prompt(trajectory), instruction=_last_words(trajectory), form=self.texts["inspect_form"]
        )

    def _drawn_by(self, trajectory: Sequence[Step]) -> str:
        tip = trajectory[-1]
        if tip.kind == "inspect":
            return self.texts["refine"].format(correction=neutral(tip.fields["correction"]))
        instruction = _last_words(trajectory)
        whole = neutral(tip.fields.get("description", "")) or (
            instruction if tip.kind != "plan" else f"{_prompt(trajectory)}. {instruction}"
        )
        is_first = not any(step.image for step in trajectory)
        return self.texts["draw_first" if is_first else "draw_next"].format(
            instruction=instruction, picture=whole
        )


def _prompt(trajectory: Sequence[Step]) -> str:
    return neutral(trajectory[0].fields["text"]).rstrip(".")


def _last_words(trajectory: Sequence[Step]) -> str:
    """The words that the newest picture was, or will be, drawn from."""
    for step in reversed(trajectory):
        if step.kind == "plan":
            return neutral(step.fields["instruction"])
        if step.kind in ("think", "reflect"):
            return neutral(step.fields["text"])
    return _prompt(trajectory)
