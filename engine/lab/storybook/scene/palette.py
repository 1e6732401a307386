"""The names of the world: kinds, colours, sizes and backgrounds, with their measures, habits and paints.

Only tables and look-ups; drawing is in ``drawings`` and ``backgrounds``, placing in ``scene``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SIDE = 256
"""Pixels along each side of a picture."""

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "red": (206, 58, 52),
    "orange": (240, 137, 44),
    "yellow": (247, 207, 70),
    "green": (78, 154, 82),
    "blue": (58, 104, 206),
    "purple": (134, 82, 178),
    "pink": (240, 142, 178),
    "black": (46, 42, 44),
    "white": (250, 248, 243),
}
BACKGROUNDS = ("meadow", "night", "sea", "snow", "desert")

SIZES = {"small": 0.66, "medium": 0.98, "large": 1.3}
"""The named sizes, as shares of a kind's usual height. What is medium goes without saying."""


def size_name(share: float) -> str:
    """The named size of a thing that has this share of its kind's usual height."""
    return min(SIZES, key=lambda name: abs(math.log(share / SIZES[name])))


@dataclass(frozen=True)
class Kind:
    """How a kind of thing lives: ``size`` is its usual height and ``aspect`` its width over its height."""

    size: float
    aspect: float
    sky: bool = False
    natural: str = "red"
    loves: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "house": Kind(0.32, 0.96, natural="red"),
    "tree": Kind(0.33, 0.90, natural="green", loves=("meadow",)),
    "cat": Kind(0.29, 0.84, natural="black"),
    "dog": Kind(0.28, 1.06, natural="white"),
    "car": Kind(0.205, 1.50, natural="blue"),
    "flower": Kind(0.31, 0.72, natural="pink", loves=("meadow",)),
    "boat": Kind(0.30, 1.00, natural="red", loves=("sea", "sea", "sea")),
    "mushroom": Kind(0.27, 0.90, natural="red", loves=("meadow",)),
    "lantern": Kind(0.32, 0.56, natural="black", loves=("night", "snow")),
    "sun": Kind(0.28, 1.00, sky=True, natural="yellow", loves=("desert", "meadow", "sea")),
    "moon": Kind(0.27, 0.80, sky=True, natural="yellow", loves=("night", "night", "snow")),
    "cloud": Kind(0.187, 1.60, sky=True, natural="white", loves=("meadow", "sea")),
    "balloon": Kind(0.32, 0.74, sky=True, natural="orange"),
    "bird": Kind(0.23, 1.16, sky=True, natural="blue", loves=("sea",)),
    "kite": Kind(0.31, 0.72, sky=True, natural="purple", loves=("meadow",)),
    "star": Kind(0.26, 1.04, sky=True, natural="yellow", loves=("night", "night")),
}


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """``a`` with ``share`` of ``b`` in it."""
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def paints(colour: str) -> dict[str, RGB]:
    """The paper of one thing: its colour, a darker and a lighter sheet of it, its edge and the ink on it."""
    body = COLOURS[colour]
    dark = colour == "black"
    shade = mix(body, (34, 22, 60), 0.22) if colour != "white" else (214, 211, 212)
    return {
        "body": body,
        "shade": mix(body, (120, 116, 128), 0.28) if dark else shade,
        "light": mix(body, (255, 250, 235), 0.16 if dark else 0.34),
        "ink": (250, 240, 214) if dark else (58, 44, 50),
        "edge": (176, 170, 172) if colour == "white" else (255, 251, 240),
    }


FIXED: dict[str, RGB] = {
    "cream": (255, 243, 214),
    "glow": (255, 226, 140),
    "wood": (132, 86, 52),
    "leaf": (96, 150, 74),
    "amber": (232, 152, 46),
    "blush": (238, 150, 140),
    "tyre": (62, 58, 66),
    "glass": (196, 226, 240),
    "iris": (190, 214, 110),
}
"""Paints that stay the same whatever colour a thing has."""
