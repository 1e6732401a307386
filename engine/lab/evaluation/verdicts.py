"""The kinds of mistakes, in two scenes and in the words of a verdict. Pure.

The words are those of ``engine.lab.storybook.language.critique``; a verdict in other words names nothing.
"""

from __future__ import annotations

import random
import re

from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.edits import Add, Edit, Remove, Setting
from engine.lab.storybook.scene.mistakes import MISTAKES as WORLD_MISTAKES
from engine.lab.storybook.scene.mistakes import sample_mistake
from engine.lab.storybook.scene.palette import COLOURS
from engine.lab.storybook.scene.scene import Scene

NAMES = {"add": "extra", "setting": "background"}
"""What a picture gone wrong by an edit of the world shows, where that is called otherwise."""

MISTAKES = tuple(NAMES.get(kind, kind) for kind in WORLD_MISTAKES)

_NAMED = (
    (re.compile(r"\bbackground should be\b"), "background"),
    (re.compile(r"\bin place of\b"), "swap"),
    (re.compile(r"\bshould not be there\b"), "extra"),
    (re.compile(r"\b(is|are) missing\b"), "missing"),
    (re.compile(r"\bthere should be\b"), "count"),
    (re.compile(rf"\bshould be ({'|'.join(COLOURS)})\b"), "recolour"),
    (re.compile(r"\b(is|are) (small|medium-sized|large) and should be\b"), "resize"),
    (re.compile(r"\bshould be\b"), "move"),
)
"""The first that is found in a sentence names its mistake."""

TRIES = 400


def named_in(verdict: str) -> set[str]:
    """The kinds of mistakes that a verdict speaks of."""
    sentences = verdict.lower().split(".")
    named = (next((kind for form, kind in _NAMED if form.search(s)), None) for s in sentences)
    return {kind for kind in named if kind}


def mistakes_of(wrong: Scene, right: Scene) -> set[str]:
    """The kinds of mistakes by which ``wrong`` is not ``right``."""
    return {_kind(edit, wrong, right) for edit in differences(wrong, right)}


def _kind(edit: Edit, wrong: Scene, right: Scene) -> str:
    looks = lambda scene: {(t.kind, t.colour) for t in scene.things}  # noqa: E731
    match edit:
        case Setting():
            return "background"
        case Add(things):
            return "missing" if looks(Scene(right.background, things)) - looks(wrong) else "count"
        case Remove(indices):
            return "extra" if looks(wrong.subset(indices)) - looks(right) else "count"
    return type(edit).__name__.lower()


def one_mistake(right: Scene, kind: str, rng: random.Random) -> Scene | None:
    """The scene gone wrong in this one way, or ``None`` where no lot falls so."""
    for _ in range(TRIES):
        wrong = sample_mistake(right, rng)
        if mistakes_of(wrong, right) == {kind}:
            return wrong
    return None
