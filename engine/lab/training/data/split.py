"""Which scenes training may use and which are kept for evaluation, decided by what a picture shows.

The division is by a hash over the background and every thing's kind, colour, size, row and column: the same
picture with a little more play in it falls on the same side, and so does one of which more or fewer
relations are named. A place with nothing in it belongs to both sides. The same things in other places are
another scene: among 13,000 training scenes are 14 of 20 of StoryEval's single objects in another place on the
same background, and of its position and colour attribution 1 of 20 each.
"""

from __future__ import annotations

import hashlib
import json
import random

from engine.lab.storybook.scene.sampling import sample_scene
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.script import Painted, Script, seen_in

HELD_OUT = 0.02
"""The share of scenes kept for evaluation."""


def graph_hash(scene: Scene) -> str:
    """SHA-256 over the background and, in any order, each thing's kind, colour, size, row and column."""
    things = sorted((t.kind, t.colour, t.scale, t.row, t.column) for t in scene.things)
    return hashlib.sha256(json.dumps([scene.background, things]).encode()).hexdigest()


def is_held_out(scene: Scene) -> bool:
    """Whether training must not show this scene."""
    return bool(scene.things) and int(graph_hash(scene)[:8], 16) < HELD_OUT * 2**32


def sample_training_scene(rng: random.Random) -> Scene:
    """A scene that training may use."""
    while is_held_out(scene := sample_scene(rng)):
        pass
    return scene


def sample_held_out_scene(rng: random.Random) -> Scene:
    """A scene that training never uses: what an evaluation asks for."""
    while not is_held_out(scene := sample_scene(rng)):
        pass
    return scene


def may_be_told(script: Script) -> bool:
    """Whether a script renders no held-out scene. Pictures that a model painted may show anything."""
    return not any(is_held_out(seen_in(s)) for s in script.scenes if not isinstance(s, Painted))
