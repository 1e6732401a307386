"""From a scene to its picture: the background, then the things from far to near. Nothing random."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine.lab.storybook.drawing.backgrounds import background
from engine.lab.storybook.drawing.sprites import Sprite, sprite, stamp
from engine.lab.storybook.scene.palette import SIDE
from engine.lab.storybook.scene.scene import Scene, Thing


def thing_sprite(thing: Thing) -> Sprite:
    """The raster of a thing, its height rounded to 4 pixels."""
    return sprite(thing.kind, max(4, round(thing.size * SIDE / 4) * 4), thing.flip, round(thing.tilt))


def paint_order(thing: Thing) -> tuple[float, float]:
    """Sorts things from far to near: one with a lower foot lies in front."""
    return thing.y + thing.size / 2, thing.x


def render(scene: Scene) -> Image.Image:
    """Paint a scene: RGB, 256 × 256."""
    canvas = background(scene.background).copy()
    for thing in sorted(scene.things, key=paint_order):
        stamp(canvas, thing_sprite(thing), thing.colour, round(thing.x * SIDE), round(thing.y * SIDE))
    return Image.fromarray(np.clip(canvas + 0.5, 0, 255).astype(np.uint8))
