"""The think protocol: the prompt, a thought about what the picture should show, then one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.core.parts import Part, TextPart
from engine.core.trajectory import Step
from engine.protocols.base import Draw, ParseError, Stop, Write, images_spent, neutral
from engine.protocols.edits import EDIT, start_first, with_start
from engine.protocols.process import Process
from engine.protocols.prompts import short_name
from engine.protocols.thoughts import prompt_text, read_thought

if TYPE_CHECKING:
    from engine.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Think(Process):
    """One thought, one picture. Steps of other protocols on the way are shown as there.

    With ``texts``, for a model that was not trained on it, their system prompt comes first, and of other
    protocols only the pictures are shown: such a model doesn't know their forms.
    """

    name = "think"
    title = "Think first"
    sentence = "Thinks about what the picture should show, then draws it once."
    round_kinds = ("think", "image")
    has_rounds = False

    texts: Mapping[str, str] | None = None
    """The guided driver's texts; None: the model was trained on this protocol."""

    @property
    def driver(self) -> str:
        return "guided" if self.texts else super().driver

    @property
    def prompts(self) -> str:
        return short_name(self.texts) if self.texts else super().prompts

    def next(
        self, trajectory: Sequence[Step], settings: Settings, chosen: str | None = None
    ) -> Write | Draw | Stop:
        if not trajectory:
            raise ValueError("a trajectory begins with its prompt; this one is empty")
        tip = trajectory[-1]
        if tip.kind == "prompt" or tip.is_start:
            return self.write("think", start_first(trajectory), settings)
        if tip.image:
            return Stop("The picture is drawn.", finished=True)
        return images_spent(trajectory, settings) or self.draw("image", trajectory, settings)

    def next_text(self, tip: Step) -> str | None:
        return "think" if tip.kind == "prompt" or tip.is_start else None

    def parts(self, trajectory: Sequence[Step]) -> tuple[Part, ...]:
        if not self.texts:
            return super().parts(trajectory)
        known = [step for step in trajectory if step.kind not in ("plan", "inspect")]
        return (TextPart(self.texts["system"]), *super().parts(known))

    def draw(self, kind: str, trajectory: Sequence[Step], settings: Settings) -> Draw:
        """After the first thought the text-free context is empty: without the prompt too, as published.

        Only the system prompt and a picture to start from stay; the image-free one then has no thought.
        """
        ordered = start_first(trajectory)
        draw = with_start(super().draw(kind, ordered, settings), ordered)
        tip = ordered[-1]
        if self.texts and tip.kind in ("plan", "inspect"):
            return _drawn_by(draw, tip, after_a_picture=any(step.image for step in ordered))
        if tip.kind != "think":
            return draw
        start = [step for step in ordered if step.is_start]
        draw = replace(draw, text_free=self.parts(start))
        if start:
            draw = replace(draw, image_free=self.parts([s for s in ordered if s.kind == "prompt"]))
        return draw

    def step_text(self, step: Step) -> str:
        return prompt_text(step.fields["text"]) if step.kind == "prompt" else super().step_text(step)

    def parse(self, kind: str, text: str) -> dict[str, str] | None:
        """One text, whatever parts the model gave it; see :func:`read_thought` for what is forgiven."""
        if kind not in ("think", "reflect"):
            raise ParseError(f"the {self.name} protocol has no text of the kind {kind!r}")
        return {"text": read_thought(text)}


def _drawn_by(draw: Draw, tip: Step, *, after_a_picture: bool) -> Draw:
    """A plan or a critique of another protocol, whose form this model doesn't know, by its bare words."""
    words = (TextPart(neutral(" ".join(text for text in tip.fields.values() if text))),)
    return replace(
        draw,
        parts=(*draw.parts, *words),
        image_free=(*draw.image_free, *words),
        preset=EDIT if after_a_picture else draw.preset,
    )
