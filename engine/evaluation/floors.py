"""Three short examinations of a storybook checkpoint: drawing, well-formed trajectories, obeyed edits.

Scenes come from seeds that no training shard uses. The judge looks at pixels only and corrects nothing.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from engine import protocols
from engine.evaluation.bench import Row
from engine.evaluation.journal import examine_all
from engine.events import RunDone, StepFailed, StepFinished
from engine.runner import run
from engine.settings import Settings
from engine.trajectory import Step, last_image
from engine.world import language
from engine.world.edits import Edit, Move, Recolour, Resize, Swap, apply, sample_edit
from engine.world.faults import faults, objects_right
from engine.world.judge import Seen, judge
from engine.world.sampling import sample_scene
from engine.world.scene import Scene
from engine.world.words import COUNTS

if TYPE_CHECKING:
    from engine.inference.painter import Painter

EDIT_KINDS = ("recolour", "resize", "swap", "add", "move")
HELD_OUT = "held-out"


@dataclass
class Album:
    """Pictures by digest, in memory."""

    pictures: dict[str, Image.Image] = field(default_factory=dict)

    def keep(self, image: Image.Image) -> str:
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        self.pictures[digest] = image
        return digest

    def __getitem__(self, digest: str) -> Image.Image:
        return self.pictures[digest]


@dataclass
class Outcome:
    """A run: its trajectory, whether the model ended it itself, and whether every text could be read."""

    steps: list[Step]
    finished: bool = False
    well_formed: bool = True


def held_out_scenes(seed: int, count: int) -> Iterator[tuple[random.Random, Scene]]:
    """Scenes with the generator that goes on speaking about them."""
    for number in range(count):
        rng = random.Random(f"{HELD_OUT}-{seed}-{number}")
        yield rng, sample_scene(rng)


def prompt_step(text: str, seed: int) -> Step:
    return Step(None, "prompt", "person", {"text": text}, recipe={"session_seed": seed})


def carry_on(
    painter: Painter, steps: list[Step], settings: Settings, album: Album, seed: int, limit: int | None = None
) -> Outcome:
    """Runs the protocol from ``steps`` to its end, or for ``limit`` steps."""
    outcome = Outcome(list(steps))
    events = run(
        painter,
        painter.grammars.get(settings.protocol) or protocols.get(settings.protocol),
        outcome.steps,
        settings,
        pixels=album.__getitem__,
        keep_image=album.keep,
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
        elif isinstance(event, RunDone):
            outcome.finished = event.finished
    outcome.steps = made
    return outcome


def final_sight(outcome: Outcome, album: Album) -> Seen | None:
    step = last_image(outcome.steps)
    return judge(album[step.image]) if step and step.image else None


def examine_drawing(
    painter: Painter, settings: Settings, *, count: int, seed: int, journal: Path | None = None
) -> dict[str, Any]:
    """Prompt → picture by ``settings.protocol``: objects and colours right, everything right, form, cost.

    Finished cases are kept in ``journal``, if there is one, and not examined again.
    """

    def examine(case: tuple[int, tuple[random.Random, Scene]]) -> Row:
        number, (rng, scene) = case
        return draw_case(painter, settings, number, rng, scene)

    cases = list(enumerate(held_out_scenes(seed, count)))
    rows = examine_all(cases, examine, journal, f"floors, {settings.protocol}")
    means = {name: sum(row[name] for row in rows) / count for name in rows[0]}
    return means | {"count": count, "seconds": round(means["seconds"], 2)}


def draw_case(painter: Painter, settings: Settings, number: int, rng: random.Random, scene: Scene) -> Row:
    """One prompt drawn: what is right of it, and how many pictures it took."""
    album = Album()
    outcome = carry_on(painter, [prompt_step(language.prompt(scene, rng), number)], settings, album, number)
    seen = final_sight(outcome, album)
    return {
        "objects": seen is not None and objects_right(scene, seen),
        "everything": seen is not None and not faults(scene, seen),
        "background": seen is not None and scene.background == seen.background,
        "well_formed": outcome.well_formed and outcome.finished,
        "finished": outcome.finished,
        "images": sum(step.image is not None for step in outcome.steps),
    }


def examine_edits(
    painter: Painter, settings: Settings, *, count: int, seed: int, journal: Path | None = None
) -> dict[str, Any]:
    """Half of the cases rewrite the first plan, half add one after the first round; the model goes on.

    ``journal`` as for :func:`examine_drawing`.
    """

    def examine(case: tuple[int, tuple[random.Random, Scene]]) -> Row:
        number, (rng, scene) = case
        return {"obeyed": edit_case(painter, settings, number, rng, scene)}

    cases = list(enumerate(held_out_scenes(seed + 1, count)))
    rows = examine_all(cases, examine, journal, "floors, edits")
    tally: dict[str, Sequence[bool]] = {
        kind: [row["obeyed"] for row in rows[place :: len(EDIT_KINDS)]]
        for place, kind in enumerate(EDIT_KINDS)
    }
    return {
        "obeyed": sum(map(sum, tally.values())) / count,
        "count": count,
        "by_kind": {kind: round(sum(values) / max(1, len(values)), 3) for kind, values in tally.items()},
    }


def edit_case(painter: Painter, settings: Settings, number: int, rng: random.Random, scene: Scene) -> bool:
    """Whether one edited plan is obeyed; false as well when nothing is there that could be edited."""
    kind, album = EDIT_KINDS[number % len(EDIT_KINDS)], Album()
    start = [prompt_step(language.prompt(scene, rng), number)]
    early = number // len(EDIT_KINDS) % 2 == 0
    if early:
        before: Scene | None = scene
    else:
        start = carry_on(painter, start, settings, album, number, limit=3).steps
        before = readable(final_sight(Outcome(start), album))
    edit = sample_edit(before, rng, (kind,)) if before is not None else None
    if before is None or edit is None:
        return False
    after = apply(before, edit)
    words = language.instruct_start(after, rng) if early else language.instruct_edit(before, edit, after, rng)
    fields = {"instruction": words, "description": language.describe(after, rng)}
    plan = Step(start[-1].id, "plan", "person", fields)
    outcome = carry_on(painter, [*start, plan], settings, album, number)
    seen = final_sight(outcome, album)
    return seen is not None and obeyed(before, edit, after, seen)


def readable(seen: Seen | None) -> Scene | None:
    """What is seen as a scene, or None when nothing is recognised, or more than words can count."""
    return seen.scene() if seen is not None and seen.things and countable(seen.scene()) else None


def countable(scene: Scene) -> bool:
    """Whether the world has words for every number in the scene."""
    return all(group.count < len(COUNTS) for group in scene.groups())


def obeyed(before: Scene, edit: Edit, after: Scene, seen: Seen) -> bool:
    """Whether the change is true in what is seen: changed things in number and look, in place for a move."""
    count = lambda things, look: sum((t.kind, t.colour) == look for t in things)  # noqa: E731
    if isinstance(edit, Move):
        thing = after.things[edit.index]
        return any(
            (t.kind, t.colour) == (thing.kind, thing.colour) and abs(t.x - thing.x) < 0.17
            for t in seen.things
        )
    if isinstance(edit, Resize):
        meant = [after.things[i] for i in edit.indices]
        look = (meant[0].kind, meant[0].colour)
        sizes = [t.scale for t in seen.things if (t.kind, t.colour) == look]
        return len(sizes) == count(after.things, look) and sizes.count(edit.scale) >= len(meant)
    changed = {(t.kind, t.colour) for t in after.things} - {(t.kind, t.colour) for t in before.things}
    gone = set()
    if isinstance(edit, Recolour | Swap):
        gone = {(t.kind, t.colour) for t in before.things} - {(t.kind, t.colour) for t in after.things}
    right = all(count(seen.things, look) == count(after.things, look) for look in changed)
    return right and not any(count(seen.things, look) for look in gone)
