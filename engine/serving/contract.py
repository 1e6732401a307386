"""What every way of serving shares: where it leaves what must last, and what it shows of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from engine.core.events import Answered, Event
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.runs.opened_model import OpenedModel
from engine.serving.queue import Job, QuestionJob, QueuePosition, RunJob

if TYPE_CHECKING:
    from PIL.Image import Image


class Recorder(Protocol):
    """Where the worker reads trajectories and leaves what must last.

    Called from the worker's thread, and from the caller's in ``Worker.cancel``. The states of a run are
    running, paused, done, failed, cancelled and lost; a question's are the same without paused.
    """

    def worker_changed(self) -> None:
        """More of the model is there, or it is ready, or it could not be opened."""

    def settings(self, job: Job) -> tuple[Settings, int]:
        """Settings and session seed of a ``provisional`` job, now that the model is there."""

    def trajectory(self, job: Job) -> list[Step]:
        """The steps of a run's branch; for a question, those up to the picture that it is about."""

    def pixels(self, job: Job, digest: str) -> Image:
        """A picture of the job's trajectory, as its model is to be shown it."""

    def store_image(self, image: Image) -> str:
        """Stores a picture and returns its digest."""

    def finish_step(self, run: RunJob, step: Step) -> None:
        """Stores the step and moves the branch; only then is the step announced."""

    def set_run(self, run: RunJob, state: str, cause: str = "", next_action: str = "") -> None:
        """Stores the state of a run."""

    def publish(self, run: RunJob, event: Event) -> None:
        """Announces what happens in a run."""

    def finish_answer(self, question: QuestionJob, answered: Answered) -> None:
        """Stores the answer to a question; only then is it announced."""

    def set_question(self, question: QuestionJob, state: str, cause: str = "", next_action: str = "") -> None:
        """Stores the state of a question."""

    def publish_answer(self, question: QuestionJob, event: Event) -> None:
        """Announces an answer as it is written, and how it ended."""


@dataclass(frozen=True)
class Snapshot:
    """The worker at one moment.

    ``state`` is loading, ready, failed (``cause`` says why) or closed. ``loaded`` is the share of the model
    that is there, from 0 to 1. ``model`` is None until it is ready. ``step_seconds`` are those measured for
    a step, by kind.
    """

    state: str
    loaded: float
    model: OpenedModel | None
    cause: str
    next_action: str
    positions: tuple[QueuePosition, ...]
    step_seconds: dict[str, float]
