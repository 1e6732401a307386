"""The five places a scene can be in, painted once as sheets of coloured paper.

Every background has its sky down to about a third of the height and ground below it; none holds
anything that looks like a thing of the world.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from engine.lab.storybook.drawing.shapes import curve
from engine.lab.storybook.scene.palette import RGB, SIDE

FINE = 4
Ridge = list[tuple[float, float]]

SKY: dict[str, tuple[RGB, RGB]] = {
    "meadow": ((140, 200, 238), (196, 228, 244)),
    "night": ((32, 40, 94), (54, 64, 124)),
    "sea": ((244, 214, 150), (249, 232, 186)),
    "snow": ((150, 166, 206), (192, 206, 230)),
    "desert": ((128, 200, 196), (206, 226, 204)),
}
SHEETS: dict[str, list[tuple[Ridge, RGB]]] = {
    "meadow": [
        ([(-0.1, 0.52), (0.15, 0.44), (0.42, 0.50), (0.72, 0.42), (1.1, 0.50)], (182, 216, 140)),
        ([(-0.1, 0.60), (0.22, 0.63), (0.55, 0.55), (0.85, 0.60), (1.1, 0.57)], (166, 208, 118)),
        ([(-0.1, 0.83), (0.3, 0.78), (0.65, 0.84), (1.1, 0.79)], (150, 196, 98)),
    ],
    "night": [
        ([(-0.1, 0.50), (0.2, 0.44), (0.5, 0.51), (0.8, 0.45), (1.1, 0.52)], (34, 66, 92)),
        ([(-0.1, 0.58), (0.25, 0.62), (0.6, 0.55), (1.1, 0.61)], (38, 80, 98)),
        ([(-0.1, 0.80), (0.35, 0.84), (0.7, 0.78), (1.1, 0.83)], (44, 92, 104)),
    ],
    "sea": [
        ([(-0.1, 0.46), (0.5, 0.46), (1.1, 0.46)], (126, 196, 204)),
        (
            [(-0.1, 0.545), (0.1, 0.53), (0.3, 0.545), (0.5, 0.53), (0.7, 0.545), (0.9, 0.53), (1.1, 0.545)],
            (98, 178, 194),
        ),
        (
            [(-0.1, 0.63), (0.1, 0.645), (0.3, 0.63), (0.5, 0.645), (0.7, 0.63), (0.9, 0.645), (1.1, 0.63)],
            (78, 160, 182),
        ),
        ([(-0.1, 0.73), (0.25, 0.705), (0.6, 0.74), (1.1, 0.70)], (158, 212, 208)),
        ([(-0.1, 0.755), (0.25, 0.73), (0.6, 0.765), (1.1, 0.725)], (238, 218, 176)),
    ],
    "snow": [
        (
            [(-0.1, 0.50), (0.14, 0.40), (0.36, 0.49), (0.62, 0.38), (0.86, 0.47), (1.1, 0.43)],
            (158, 178, 214),
        ),
        ([(-0.1, 0.57), (0.3, 0.61), (0.7, 0.54), (1.1, 0.60)], (180, 200, 228)),
        ([(-0.1, 0.82), (0.3, 0.77), (0.7, 0.83), (1.1, 0.78)], (198, 216, 238)),
    ],
    "desert": [
        (
            [(-0.1, 0.47), (0.09, 0.47), (0.14, 0.40), (0.32, 0.40), (0.37, 0.47), (0.7, 0.48), (1.1, 0.46)],
            (196, 124, 112),
        ),
        ([(-0.1, 0.56), (0.25, 0.52), (0.6, 0.60), (0.85, 0.53), (1.1, 0.57)], (222, 178, 140)),
        ([(-0.1, 0.77), (0.3, 0.84), (0.7, 0.77), (1.1, 0.82)], (208, 160, 120)),
    ],
}
DOTS: dict[str, tuple[RGB, list[tuple[float, float, float]]]] = {
    "meadow": (
        (236, 246, 214),
        [
            (0.10, 0.71, 0.9),
            (0.36, 0.68, 0.8),
            (0.63, 0.72, 0.9),
            (0.90, 0.69, 0.8),
            (0.22, 0.93, 1.1),
            (0.50, 0.97, 1.0),
            (0.80, 0.94, 1.1),
        ],
    ),
    "night": (
        (236, 232, 200),
        [
            (0.07, 0.10, 0.9),
            (0.22, 0.25, 0.7),
            (0.33, 0.07, 0.8),
            (0.48, 0.30, 0.7),
            (0.62, 0.12, 0.9),
            (0.78, 0.28, 0.7),
            (0.92, 0.09, 0.9),
            (0.95, 0.35, 0.7),
        ],
    ),
    "sea": ((196, 232, 234), []),
    "snow": (
        (250, 252, 255),
        [
            (0.06, 0.09, 1.0),
            (0.20, 0.22, 0.9),
            (0.35, 0.05, 0.9),
            (0.47, 0.28, 1.0),
            (0.64, 0.10, 1.0),
            (0.80, 0.25, 0.9),
            (0.94, 0.07, 1.0),
            (0.09, 0.36, 0.9),
            (0.96, 0.33, 0.9),
        ],
    ),
    "desert": (
        (200, 142, 96),
        [(0.12, 0.68, 0.9), (0.44, 0.71, 0.9), (0.80, 0.67, 0.9), (0.28, 0.95, 1.0), (0.66, 0.93, 1.0)],
    ),
}


@cache
def background(name: str) -> np.ndarray:
    """The empty place: float32, 256 × 256 × 3, read-only."""
    high, low = (np.array(c, np.float32) for c in SKY[name])
    fall = np.linspace(0, 1, SIDE * FINE // 2, dtype=np.float32)[:, None, None]
    sky = np.broadcast_to(high + (low - high) * fall, (SIDE * FINE // 2, SIDE * FINE, 3))
    page = Image.fromarray(np.concatenate([sky, sky[::-1]]).round().astype(np.uint8))
    for ridge, colour in SHEETS[name]:
        line = [(x * SIDE * FINE, y * SIDE * FINE) for x, y in curve(ridge, closed=False).tolist()]
        sheet = Image.new("L", page.size, 0)
        ImageDraw.Draw(sheet).polygon(
            [*line, (page.width * 1.1, page.height), (-page.width * 0.1, page.height)], fill=255
        )
        shadow = sheet.filter(ImageFilter.BoxBlur(3 * FINE)).point([v * 22 // 255 for v in range(256)])
        page.paste((30, 30, 60), (0, 0), shadow)
        page.paste(colour, (0, 0), sheet)
    colour, dots = DOTS[name]
    pen = ImageDraw.Draw(page)
    for x, y, r in dots:
        cx, cy, radius = x * page.width, y * page.height, r * 1.9 * FINE
        pen.ellipse([cx - radius, cy - radius, cx + radius, cy + radius], fill=colour)
    result = np.asarray(page.reduce(FINE), np.float32)
    result.flags.writeable = False
    return result
