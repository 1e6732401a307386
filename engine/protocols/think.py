"""The think protocol: the prompt, a thought about what the picture shall show, then one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.protocols.base import Draw, ParseError, Stop, Write, images_spent
from engine.protocols.process import Process
from engine.protocols.thoughts import prompt_text, read_thought
from engine.settings import Settings
from engine.trajectory import Step


class Think(Process):
    """One thought, one picture. Steps of other protocols on the way are shown as there."""

    name = "think"
    title = "Think first"
    sentence = "Thinks about what the picture shall show, then draws it once."

    def next(
        self, trajectory: Sequence[Step], settings: Settings, chosen: str | None = None
    ) -> Write | Draw | Stop:
        if not trajectory:
            raise ValueError("a trajectory begins with its prompt; this one is empty")
        tip = trajectory[-1]
        if tip.kind == "prompt":
            return Write("think", self.segments(trajectory))
        if tip.image:
            return Stop("The picture is drawn.", finished=True)
        return images_spent(trajectory, settings) or self.draw("image", trajectory)

    def draw(self, kind: str, trajectory: Sequence[Step]) -> Draw:
        """After the first thought the text-free context is empty: without the prompt too, as published."""
        draw = super().draw(kind, trajectory)
        return replace(draw, text_free=()) if trajectory[-1].kind == "think" else draw

    def step_text(self, step: Step) -> str:
        return prompt_text(step.fields["text"]) if step.kind == "prompt" else super().step_text(step)

    def parse(self, kind: str, text: str) -> dict[str, str]:
        """One text, whatever parts the model gave it; see :func:`read_thought` for what is forgiven."""
        if kind not in ("think", "reflect"):
            raise ParseError(f"the {self.name} protocol has no text of the kind {kind!r}")
        return {"text": read_thought(text)}
