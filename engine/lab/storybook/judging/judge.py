"""The judge: what is in a picture of the storybook world, from its pixels alone.

Every figure is compared with every sprite in every colour; the nearest is what is seen. The judge
shares the sprites with the renderer but knows nothing of the scene, the model or the prompt.
``faults`` holds what is seen against what was wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from PIL import Image

from engine.lab.storybook.drawing.sprites import EDGE, own_paints, sprite
from engine.lab.storybook.judging.silhouettes import box_of, cuts, figures, near, nearest_background, pieces
from engine.lab.storybook.scene.palette import COLOURS, KINDS, SIDE, size_name
from engine.lab.storybook.scene.scene import Scene, Thing

GRID = 32
"""Figures are compared in a box of this many cells each way."""

DOUBT = 0.72
"""A figure that matches worse may be two that touch, or only a part of one."""

RASTER = 84
"""Pixels of height at which the known sprites are kept."""

SMALLEST = 0.09
"""What is less high than this is a speck."""

NONSENSE = 0.35
"""A figure that matches worse than this isn't anything."""


@dataclass(frozen=True)
class SeenThing:
    """A figure as seen: its centre and height as shares of the picture; ``match`` is 1 at best."""

    kind: str
    colour: str
    x: float
    y: float
    size: float
    match: float

    @property
    def foot(self) -> float:
        return self.y + self.size / 2

    @property
    def scale(self) -> str:
        """Its named size, for its kind."""
        return size_name(self.size / KINDS[self.kind].size)


@dataclass(frozen=True)
class Seen:
    """All that is seen in a picture, from left to right."""

    background: str
    things: tuple[SeenThing, ...]

    def scene(self) -> Scene:
        """The same as a scene (poses unknown, no relations named)."""
        return Scene(self.background, tuple(Thing(t.kind, t.colour, t.x, t.y, t.size) for t in self.things))


@dataclass(frozen=True)
class _Likenesses:
    kinds: list[str]
    masks: np.ndarray  # n × cells
    aspects: np.ndarray  # n
    heights: np.ndarray  # n, of the sprite's box over the thing's own height
    looks: np.ndarray  # n × colours × cells × 3


@lru_cache(maxsize=1)
def _likenesses() -> _Likenesses:
    kinds, masks, aspects, heights, looks = [], [], [], [], []
    papers = np.stack([own_paints(colour) for colour in COLOURS])
    for kind in KINDS:
        for flip in (False, True):
            for tilt in (-5, 0, 5):
                shape = sprite(kind, RASTER, flip, tilt)
                solid = shape.alpha > 127
                box = box_of(solid)
                own = np.stack([_grid(layer, box) for layer in shape.own]) / 255
                fixed = np.stack([_grid(shape.fixed[..., c], box) for c in range(3)], -1)
                kinds.append(kind)
                masks.append(_grid(shape.alpha, box) / 255)
                aspects.append((box[2] - box[0]) / (box[3] - box[1]))
                heights.append((box[3] - box[1] - 2 * EDGE) / RASTER)
                looks.append(np.einsum("pn,cpk->cnk", own, papers) + fixed)
    return _Likenesses(
        kinds, np.stack(masks), np.array(aspects), np.array(heights), np.stack(looks).astype(np.float32)
    )


def _grid(layer: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    page = Image.fromarray(layer).resize((GRID, GRID), Image.Resampling.BOX, box=box)
    return np.asarray(page, np.float32).ravel()


def judge(image: Image.Image) -> Seen:
    """What is in a picture. Any size and mode; it is looked at as RGB, 256 × 256."""
    page = image.convert("RGB")
    if page.size != (SIDE, SIDE):
        page = page.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pixels = np.asarray(page, np.float32)
    place = nearest_background(pixels)
    found = [(piece, _recognise(pixels, piece)) for piece in pieces(figures(pixels, place))]
    things = [thing for piece, whole in _joined(pixels, found) for thing in _parted(pixels, piece, whole)]
    kept = [thing for thing in things if thing.match >= NONSENSE and thing.size >= SMALLEST]
    return Seen(place, tuple(sorted(kept, key=lambda t: t.x)))


def _joined(
    pixels: np.ndarray, found: list[tuple[np.ndarray, SeenThing]]
) -> list[tuple[np.ndarray, SeenThing]]:
    """Pieces that look more like something together than apart (a cap and its stem) as one."""
    for a, b in combinations(found, 2):
        (first, seen_first), (second, seen_second) = a, b
        if min(seen_first.match, seen_second.match) < DOUBT and near(first, second):
            whole = _recognise(pixels, first | second)
            apart = np.average([seen_first.match, seen_second.match], weights=[first.sum(), second.sum()])
            if whole.match > apart:
                rest = [item for item in found if item is not a and item is not b]
                return _joined(pixels, [*rest, (first | second, whole)])
    return found


def _parted(pixels: np.ndarray, piece: np.ndarray, whole: SeenThing, depth: int = 2) -> list[SeenThing]:
    """A piece that looks like nothing as the two or three things it may be."""
    best = [whole]
    if whole.match < DOUBT and depth:
        for way in cuts(piece):
            parts = [
                thing for part in way for thing in _parted(pixels, part, _recognise(pixels, part), depth - 1)
            ]
            if min(t.match for t in parts) > max(t.match for t in best) - 0.1 and (
                np.mean([t.match for t in parts]) > np.mean([t.match for t in best])
            ):
                best = parts
    return best


def _recognise(pixels: np.ndarray, piece: np.ndarray) -> SeenThing:
    box = left, top, right, bottom = box_of(piece)
    mask = _grid(piece.astype(np.uint8) * 255, box) / 255
    look = np.stack([_grid(pixels[..., c], box) for c in range(3)], -1)
    known = _likenesses()
    shared = np.minimum(known.masks, mask).sum(1) / np.maximum(known.masks, mask).sum(1)
    shape = shared - 0.4 * np.abs(np.log(known.aspects * (bottom - top) / (right - left)))
    best = np.argsort(-shape)[:12]
    both = (known.masks[best] * mask)[:, None, :, None]
    apart = (np.abs(known.looks[best] - look) * both).sum((2, 3)) / (both.sum((2, 3)) * 3 + 1e-6)
    score = shape[best][:, None] - apart / 160
    row, colour = np.unravel_index(np.argmax(score), score.shape)
    return SeenThing(
        known.kinds[best[row]],
        list(COLOURS)[colour],
        round((left + right) / 2 / SIDE, 4),
        round((top + bottom) / 2 / SIDE, 4),
        round(max(bottom - top - 2 * EDGE, 1) / SIDE / float(known.heights[best[row]]), 4),
        round(float(score[row, colour]), 4),
    )
