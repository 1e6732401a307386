"""The sixteen figures by the name of their kind."""

from __future__ import annotations

from collections.abc import Callable

from engine.lab.storybook.drawing import ground_figures as ground
from engine.lab.storybook.drawing import sky_figures as sky
from engine.lab.storybook.drawing.shapes import Shape

DRAWINGS: dict[str, Callable[[], list[Shape]]] = {
    "house": ground.house,
    "tree": ground.tree,
    "cat": ground.cat,
    "dog": ground.dog,
    "car": ground.car,
    "flower": ground.flower,
    "boat": ground.boat,
    "mushroom": ground.mushroom,
    "lantern": ground.lantern,
    "sun": sky.sun,
    "moon": sky.moon,
    "cloud": sky.cloud,
    "balloon": sky.balloon,
    "bird": sky.bird,
    "kite": sky.kite,
    "star": sky.star,
}
