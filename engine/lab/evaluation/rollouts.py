"""One run of a protocol with its pictures in memory, from held-out scenes: what every suite is built on.

Nothing is scored here. The judge looks at pixels only and corrects nothing.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

from engine import protocols
from engine.core.events import RunDone, StepFailed, StepFinished
from engine.core.settings import Settings
from engine.core.trajectory import Step, last_image
from engine.lab.storybook.judging.judge import Seen, judge
from engine.lab.storybook.language.phrases import COUNTS
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.split import sample_held_out_scene
from engine.protocols.base import Protocol
from engine.runs.runner import run_trajectory

if TYPE_CHECKING:
    from engine.runs.opened_model import OpenedModel

HELD_OUT = "held-out"


@dataclass
class Album:
    """Pictures by digest, in memory."""

    pictures: dict[str, Image.Image] = field(default_factory=dict)

    def keep(self, image: Image.Image) -> str:
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        self.pictures[digest] = image
        return digest

    def __getitem__(self, digest: str | None) -> Image.Image:
        """The picture of a step's ``image``. Raises ``KeyError`` where the step has none."""
        if digest is None:
            raise KeyError("the step has no picture")
        return self.pictures[digest]


@dataclass
class Outcome:
    """A run: its trajectory, whether the model ended it itself, and whether every text could be read.

    ``failed`` is why it broke off, where that was not the model's own doing: "" when it did not.
    """

    steps: list[Step]
    finished: bool = False
    well_formed: bool = True
    failed: str = ""


def held_out_scenes(seed: int, count: int) -> Iterator[tuple[random.Random, Scene]]:
    """Scenes that training never shows, each with the generator that continues with its texts.

    Lazy, since one costs about 10 ms: 2 % of scenes are held out (``engine.lab.training.data.split``).
    """
    for number in range(count):
        rng = random.Random(f"{HELD_OUT}-{seed}-{number}")
        yield rng, sample_held_out_scene(rng)


def prompt_step(text: str, seed: int) -> Step:
    return Step(None, "prompt", "person", {"text": text}, recipe={"session_seed": seed})


def carry_on(
    model: OpenedModel,
    steps: list[Step],
    settings: Settings,
    album: Album,
    seed: int,
    limit: int | None = None,
    protocol: Protocol | None = None,
) -> Outcome:
    """Runs the protocol (that of the settings, unless one is given) from ``steps`` to its end.

    ``limit`` ends it after so many steps.
    """
    outcome = Outcome(list(steps))
    events = run_trajectory(
        model,
        protocol or model.protocols.get(settings.protocol) or protocols.get(settings.protocol),
        outcome.steps,
        settings,
        pixels=album.__getitem__,
        store_image=album.keep,
        session_seed=seed,
        cancel=threading.Event(),
        steps_limit=limit,
    )
    made = list(steps)
    for event in events:
        if isinstance(event, StepFinished):
            made.append(event.step)
            outcome.well_formed &= "repaired" not in event.step.result
        elif isinstance(event, StepFailed):
            outcome.well_formed = False
            outcome.failed = "" if event.raw else event.cause
        elif isinstance(event, RunDone):
            outcome.finished = event.finished
    outcome.steps = made
    return outcome


def seen_at_end(outcome: Outcome, album: Album) -> Seen | None:
    step = last_image(outcome.steps)
    return judge(album[step.image]) if step and step.image else None


def readable(seen: Seen | None) -> Scene | None:
    """What is seen as a scene, or None when nothing is recognised, or more than words can count."""
    return seen.scene() if seen is not None and seen.things and countable(seen.scene()) else None


def countable(scene: Scene) -> bool:
    """Whether the world has words for every number in the scene."""
    return all(group.count < len(COUNTS) for group in scene.groups())
