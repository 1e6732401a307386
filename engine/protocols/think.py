"""The think protocol: the prompt, a thought about what the picture shall show, then one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.protocols.base import Draw, ParseError, Segment, Stop, Text, Write, images_spent, neutral
from engine.protocols.edits import EDIT, start_first, with_start
from engine.protocols.process import Process
from engine.protocols.prompts import Prompts, short_name
from engine.protocols.thoughts import prompt_text, read_thought


class Think(Process):
    """One thought, one picture. Steps of other protocols on the way are shown as there.

    With ``guided`` words, for a model that was not trained on it, these come first as a system prompt, and
    of other protocols only the pictures are shown: such a model doesn't know their forms.
    """

    name = "think"
    title = "Think first"
    sentence = "Thinks about what the picture shall show, then draws it once."

    def __init__(self, asks: Mapping[str, str] | None = None, guided: Prompts | None = None) -> None:
        super().__init__(asks)
        self.guided = guided
        self.system = guided[self.name]["system"] if guided else ""
        if guided:
            self.driver, self.prompts = "guided", short_name(guided[self.name])

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

    def segments(self, trajectory: Sequence[Step]) -> tuple[Segment, ...]:
        if not self.guided:
            return super().segments(trajectory)
        known = [step for step in trajectory if step.kind not in ("plan", "inspect")]
        return (Text(self.system), *super().segments(known))

    def draw(self, kind: str, trajectory: Sequence[Step], settings: Settings) -> Draw:
        """After the first thought the text-free context is empty: without the prompt too, as published.

        Only the system prompt and a picture to start from stay; the image-free one then has no thought.
        """
        ordered = start_first(trajectory)
        draw = with_start(super().draw(kind, ordered, settings), ordered)
        tip = ordered[-1]
        if self.guided and tip.kind in ("plan", "inspect"):
            return _drawn_by(draw, tip, after_a_picture=any(step.image for step in ordered))
        if tip.kind != "think":
            return draw
        start = [step for step in ordered if step.is_start]
        draw = replace(draw, text_free=self.segments(start))
        if start:
            draw = replace(draw, image_free=self.segments([s for s in ordered if s.kind == "prompt"]))
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
    words = (Text(neutral(" ".join(text for text in tip.fields.values() if text))),)
    return replace(
        draw,
        segments=(*draw.segments, *words),
        image_free=(*draw.image_free, *words),
        preset=EDIT if after_a_picture else draw.preset,
    )
