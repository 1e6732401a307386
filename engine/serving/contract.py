"""What every way of serving shares: where it leaves what lasts, and what it shows of itself.

The local worker is one; nothing here makes anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from engine.core.events import Answered, Event
from engine.core.image_sizes import ImageSizes
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.serving.queue import Job, QueuePosition

if TYPE_CHECKING:
    from PIL.Image import Image


class Recorder(Protocol):
    """Where the worker reads trajectories and leaves what must last.

    Called from the worker's thread, and from the caller's in ``Worker.cancel``. States of a run:
    running, paused, done, failed, cancelled, lost. A job with a question is told of the same way; its
    trajectory ends with the picture that is asked about.
    """

    def settings(self, job: Job) -> tuple[Settings, int]:
        """Settings and session seed of a ``provisional`` job, now that the model is there."""

    def trajectory(self, job: Job) -> list[Step]: ...

    def pixels(self, digest: str) -> Image: ...

    def keep_image(self, image: Image) -> str: ...

    def finish_step(self, job: Job, step: Step) -> None:
        """Stores the step and moves the branch; only then is the step announced."""

    def finish_answer(self, job: Job, answered: Answered) -> None:
        """Stores the answer to a job's question; only then is it announced."""

    def set_run(self, job: Job, state: str, cause: str = "", next_action: str = "") -> None: ...

    def publish(self, job: Job, event: Event) -> None: ...


@dataclass(frozen=True)
class Snapshot:
    """The worker at one moment. ``state`` is loading, ready, failed (``cause`` says why) or closed.

    ``loaded`` is the share of the model that is there, from 0 to 1. ``about`` is one honest line about what
    runs, where and how fast, as measured when it was opened. ``protocols`` are those that the model offers,
    ``canvas`` the sizes it draws, ``answers`` whether it learned to answer questions; all four only once it
    is ready. ``max_pictures`` are shown to the model at once.
    """

    state: str
    loaded: float
    title: str
    about: str
    protocols: tuple[str, ...]
    canvas: ImageSizes | None
    answers: bool
    max_pictures: int
    fingerprint: dict[str, Any]
    cause: str
    next_action: str
    runs: tuple[QueuePosition, ...]
    step_seconds: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
