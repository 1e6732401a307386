"""Which thing covers which cell of a scene's picture: exact, from the sprites' own shapes."""

from __future__ import annotations

import numpy as np

from engine.lab.storybook.drawing.render import paint_order, thing_sprite
from engine.lab.storybook.scene.palette import COLOURS, KINDS, SIDE
from engine.lab.storybook.scene.scene import Scene

KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS, 1)}
COLOUR_NUMBERS = {colour: number for number, colour in enumerate(COLOURS, 1)}


def cover(scene: Scene, side: int = 16) -> np.ndarray:
    """uint8 ``[2, side, side]``: the number of the kind and of the colour that fill most of each cell.

    0 is the bare background. Things are laid in the order in which they are painted.
    """
    owner = np.zeros((SIDE, SIDE), np.uint8)
    order = sorted(range(len(scene.things)), key=lambda i: paint_order(scene.things[i]))
    for index in order:
        thing = scene.things[index]
        shape = thing_sprite(thing)
        top, left = round(thing.y * SIDE) + shape.top, round(thing.x * SIDE) + shape.left
        y0, x0 = max(0, top), max(0, left)
        y1, x1 = min(SIDE, top + shape.alpha.shape[0]), min(SIDE, left + shape.alpha.shape[1])
        if y0 < y1 and x0 < x1:
            inside = shape.alpha[y0 - top : y1 - top, x0 - left : x1 - left] > 127
            owner[y0:y1, x0:x1][inside] = index + 1
    cell = SIDE // side
    blocks = owner.reshape(side, cell, side, cell)
    shares = np.stack([(blocks == i).sum((1, 3)) for i in range(len(scene.things) + 1)])
    winner = shares.argmax(0)
    kinds = np.array([0, *(KIND_NUMBERS[t.kind] for t in scene.things)], np.uint8)
    colours = np.array([0, *(COLOUR_NUMBERS[t.colour] for t in scene.things)], np.uint8)
    return np.stack([kinds[winner], colours[winner]])
