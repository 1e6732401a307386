"""Cut-paper sprites as paint masks: one raster per (kind, height, flip, tilt), any colour from it.

A sprite keeps, pixel by pixel, how much of each of the thing's own papers lies there plus the
finished fixed details, so recolouring is a sum of products. It knows nothing of scenes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from engine.lab.storybook.drawing.figures import DRAWINGS
from engine.lab.storybook.scene.palette import FIXED, KINDS, paints

OWN = ("body", "shade", "light", "ink", "edge")
FINE = 4  # supersampling
EDGE = 2.2  # width of the paper edge, pixels
PAD = 9  # room around a sprite for its edge and shadow, pixels
SHADOW = 0.22


@dataclass(frozen=True)
class Sprite:
    """Bytes, height × width: ``own`` (cover by 5 papers), ``fixed`` (RGB × cover), ``alpha``, ``shadow``.

    ``left`` and ``top`` place the arrays against the thing's centre, in pixels.
    """

    own: np.ndarray
    fixed: np.ndarray
    alpha: np.ndarray
    shadow: np.ndarray
    left: int
    top: int


@lru_cache(maxsize=1024)
def sprite(kind: str, height: int, flip: bool, tilt: int) -> Sprite:
    """Raster a kind ``height`` pixels high, mirrored or not, turned by ``tilt`` degrees."""
    width = KINDS[kind].aspect * height
    turn = math.radians(tilt)
    reach = math.ceil(max(width, height) / 2 * (1 + abs(math.sin(turn)))) + PAD
    half_w = math.ceil(width / 2 * math.cos(turn) + height / 2 * abs(math.sin(turn))) + PAD
    half_h = min(reach, math.ceil(height / 2 * math.cos(turn) + width / 2 * abs(math.sin(turn))) + PAD)
    size = (2 * half_w * FINE, 2 * half_h * FINE)
    index = Image.new("L", size, 0)
    pen = ImageDraw.Draw(index)
    names = [*OWN, *FIXED]
    placed = [
        (_place(points, height, width, flip, turn, half_w, half_h), paint)
        for points, paint in DRAWINGS[kind]()
    ]
    for points, _ in placed:
        pen.line(
            [*points, points[0], points[1]],
            fill=1 + names.index("edge"),
            width=round(2 * EDGE * FINE),
            joint="curve",
        )
        pen.polygon(points, fill=1 + names.index("edge"))
    for points, paint in placed:
        pen.polygon(points, fill=1 + names.index(paint))
    used = {"edge", *(paint for _, paint in placed)}
    covers = {name: _cover(index, 1 + i) for i, name in enumerate(names) if name in used}
    blank = np.zeros((2 * half_h, 2 * half_w), np.float32)
    own = np.stack([covers.get(name, blank) for name in OWN])
    fixed = np.zeros((*blank.shape, 3), np.float32)
    for name in used - set(OWN):
        fixed += covers[name][..., None] * np.array(FIXED[name], np.float32)
    alpha = np.minimum(sum(covers.values()), 1)
    soft = Image.fromarray(_bytes(alpha)).filter(ImageFilter.GaussianBlur(2.2))
    shadow = np.roll(np.asarray(soft, np.float32) / 255, (3, 1), (0, 1)) * SHADOW
    return Sprite(_bytes(own), _bytes(fixed / 255), _bytes(alpha), _bytes(shadow), -half_w, -half_h)


def _bytes(share: np.ndarray) -> np.ndarray:
    return np.minimum(share * 255 + 0.5, 255).astype(np.uint8)


def _place(
    points: np.ndarray, height: int, width: float, flip: bool, turn: float, half_w: int, half_h: int
) -> list[tuple[float, float]]:
    x, y = points[:, 0] * height - width / 2, points[:, 1] * height - height / 2
    if flip:
        x = -x
    u, v = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
    return list(zip(((u + half_w) * FINE).tolist(), ((v + half_h) * FINE).tolist(), strict=True))


def _cover(index: Image.Image, value: int) -> np.ndarray:
    hit = index.point([255 if i == value else 0 for i in range(256)])
    return np.asarray(hit.reduce(FINE), np.float32) / 255


@cache
def own_paints(colour: str) -> np.ndarray:
    """The five papers of a colour as a 5 × 3 matrix, in the order of ``OWN``."""
    table = paints(colour)
    return np.array([table[name] for name in OWN], np.float32)


def stamp(canvas: np.ndarray, shape: Sprite, colour: str, x: int, y: int) -> None:
    """Lay a sprite and its shadow onto ``canvas`` (float32, rows × columns × 3), centred at pixel (x, y)."""
    rows, cols = canvas.shape[:2]
    top, left = y + shape.top, x + shape.left
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(rows, top + shape.alpha.shape[0]), min(cols, left + shape.alpha.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    cut = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    own = shape.own[(slice(None), *cut)].astype(np.float32)
    paint = shape.fixed[cut] + np.tensordot(own, own_paints(colour) / 255, (0, 0))
    under = canvas[y0:y1, x0:x1]
    under *= (
        (255 - shape.shadow[cut].astype(np.float32)) * (255 - shape.alpha[cut].astype(np.float32)) / 65025
    )[..., None]
    under += paint
