"""What happens during a run, as plain values: the one stream that command line, worker and studio follow.

Every event becomes JSON through ``as_dict``; pictures stay out of it, their digests travel in the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.core.trajectory import Step

if TYPE_CHECKING:
    from PIL.Image import Image


def step_as_dict(step: Step) -> dict[str, Any]:
    """A step as JSON-able values, with its id. :func:`step_from_dict` reads it back."""
    return {
        "id": step.id,
        "parent": step.parent,
        "kind": step.kind,
        "author": step.author,
        "fields": dict(step.fields),
        "image": step.image,
        "recipe": dict(step.recipe),
        "result": dict(step.result),
    }


def step_from_dict(values: Mapping[str, Any]) -> Step:
    """Reads a step. Raises ``ValueError`` when its content is not what its id says."""
    names = ("parent", "kind", "author", "fields", "image", "recipe", "result")
    step = Step(**{name: values[name] for name in names})
    if step.id != values["id"]:
        raise ValueError(f"the step {values['id'][:12]} was changed: its content hashes to {step.id[:12]}")
    return step


@dataclass(frozen=True)
class StepStarted:
    """A step begins at ``depth`` (its index in the trajectory).

    ``repair`` marks the second attempt at a malformed text: what was streamed before is void.
    """

    kind: str
    depth: int
    repair: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {"type": "step_started", "kind": self.kind, "depth": self.depth, "repair": self.repair}


@dataclass(frozen=True)
class TextDelta:
    """The newest piece of the text that is being written, raw; the finished step has it parsed."""

    text: str

    def as_dict(self) -> dict[str, Any]:
        return {"type": "text_delta", "text": self.text}


@dataclass(frozen=True)
class Preview:
    """A flow update is done: ``index`` of ``total``, from 1. ``image`` is a small, rough picture of it."""

    image: Image
    index: int
    total: int

    def as_dict(self) -> dict[str, Any]:
        return {"type": "preview", "index": self.index, "total": self.total}


@dataclass(frozen=True)
class StepFinished:
    """The step is complete. From a worker: it is also already in the database and on disk."""

    step: Step

    def as_dict(self) -> dict[str, Any]:
        return {"type": "step_finished", "step": step_as_dict(self.step)}


@dataclass(frozen=True)
class Answered:
    """A question about a picture has its answer; ``recipe`` and ``result`` are as those of a step."""

    text: str
    recipe: Mapping[str, Any]
    result: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {
            "type": "answered",
            "text": self.text,
            "recipe": dict(self.recipe),
            "result": dict(self.result),
        }


@dataclass(frozen=True)
class StepFailed:
    """The step could not be made; the trajectory is as it was. ``raw`` is what the model wrote, if text."""

    kind: str
    cause: str
    next_action: str
    raw: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "type": "step_failed",
            "kind": self.kind,
            "cause": self.cause,
            "next_action": self.next_action,
            "raw": self.raw,
        }


@dataclass(frozen=True)
class RunPaused:
    """The run waits for the person."""

    reason: str

    def as_dict(self) -> dict[str, Any]:
        return {"type": "run_paused", "reason": self.reason}


@dataclass(frozen=True)
class RunDone:
    """The run ended. ``finished`` is false when a cap ended it rather than the model.

    ``probability`` is how sure the model was of ending, when it was asked.
    """

    reason: str
    finished: bool
    probability: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "type": "run_done",
            "reason": self.reason,
            "finished": self.finished,
            "probability": self.probability,
        }


@dataclass(frozen=True)
class RunCancelled:
    """The person stopped the run; the step that was under way left nothing behind."""

    def as_dict(self) -> dict[str, Any]:
        return {"type": "run_cancelled"}


Event = (
    StepStarted
    | TextDelta
    | Preview
    | StepFinished
    | Answered
    | StepFailed
    | RunPaused
    | RunDone
    | RunCancelled
)
