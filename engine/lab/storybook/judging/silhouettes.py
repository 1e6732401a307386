"""Finding the separate figures of a picture: everything that isn't its background, piece by piece.

Works on masks only; what a piece shows is the judge's business.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from engine.lab.storybook.drawing.backgrounds import background
from engine.lab.storybook.scene.palette import BACKGROUNDS

DIFFERENT = 28.0
"""A pixel further than this (of 255, in its worst channel) from the background belongs to a figure."""

SLIPS = (-4, -2, 2, 4)
"""Hills and shores may lie this many pixels lower or higher than they should."""

SPECK = 110
"""Fewer pixels than this are no part of anything."""

GAP = 8
"""Pieces no further apart than this may belong together."""


def nearest_background(pixels: np.ndarray) -> str:
    """The place whose empty picture is nearest, by the middle difference of coarse cells."""
    coarse = _coarse(pixels)
    return min(BACKGROUNDS, key=lambda name: float(np.median(np.abs(coarse - _coarse(background(name))))))


def _coarse(pixels: np.ndarray) -> np.ndarray:
    rows, columns = pixels.shape[0] // 8, pixels.shape[1] // 8
    return pixels.reshape(rows, 8, columns, 8, 3).mean((1, 3))


def figures(pixels: np.ndarray, place: str) -> np.ndarray:
    """The mask of what isn't background, whatever its tint: thin strips dropped, holes filled."""
    empty = background(place)
    tint = np.median((pixels - empty)[::4, ::4], (0, 1))
    seen, empty = _planes(pixels), _planes(empty + tint)
    far = np.abs(seen - empty).max(0)
    for up in SLIPS:
        far = np.minimum(far, np.abs(seen - np.roll(empty, up, 1)).max(0))
    solid = Image.fromarray(filled(far > DIFFERENT)).convert("L")
    page = solid.filter(ImageFilter.MinFilter(5)).filter(ImageFilter.MaxFilter(5))
    return filled(np.asarray(page) > 0)


def _planes(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0)).astype(np.int16)


def filled(mask: np.ndarray) -> np.ndarray:
    """The mask with its holes: whatever can't be reached from the rim."""
    outside = components(np.pad(~mask, 1, constant_values=True))
    return (outside != outside[0, 0])[1:-1, 1:-1]


def components(mask: np.ndarray) -> np.ndarray:
    """Label 4-connected pieces 1, 2, …; 0 is outside the mask.

    Runs of each row are joined with the runs they touch in the row above (union-find over runs).
    """
    rows, columns = mask.shape
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row_of, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    first = np.searchsorted(row_of, np.arange(rows + 1)).tolist()
    begin, end = starts.tolist(), ends.tolist()
    parent = list(range(len(begin)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    for row in range(1, rows):
        above, here = first[row - 1], first[row]
        while above < first[row] and here < first[row + 1]:
            if begin[here] < end[above] and begin[above] < end[here]:
                parent[root(here)] = root(above)
            if end[above] < end[here]:
                above += 1
            else:
                here += 1
    names: dict[int, int] = {}
    labels = np.zeros((rows, columns + 1), np.int32)
    values = np.array([names.setdefault(root(run), len(names) + 1) for run in range(len(begin))], np.int32)
    labels[row_of, starts] += values
    np.subtract.at(labels, (row_of, ends), values)
    return np.cumsum(labels, 1)[:, :columns]


def pieces(mask: np.ndarray) -> list[np.ndarray]:
    """The pieces of a mask that are no specks, each as a mask of the same size."""
    labels = components(mask)
    sizes = np.bincount(labels.ravel())
    return [labels == label for label in range(1, len(sizes)) if sizes[label] >= SPECK]


def box_of(piece: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a piece, the last two just outside it."""
    rows, columns = np.nonzero(piece.any(1))[0], np.nonzero(piece.any(0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def near(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the boxes of two pieces are within ``GAP``."""
    (al, at, ar, ab), (bl, bt, br, bb) = box_of(a), box_of(b)
    return max(al - br, bl - ar, at - bb, bt - ab) <= GAP


def cuts(piece: np.ndarray) -> list[list[np.ndarray]]:
    """Ways to see a piece as two: cut across at its narrowest row, or down at its narrowest column."""
    left, top, right, bottom = box_of(piece)
    ways = []
    for across, begin, end in ((1, top, bottom), (0, left, right)):
        margin = (end - begin) // 4
        if margin < 6:
            continue
        at = begin + margin + int(np.argmin(piece.sum(across)[begin + margin : end - margin]))
        first, second = piece.copy(), piece.copy()
        if across:
            first[at:], second[: at + 1] = False, False
        else:
            first[:, at:], second[:, : at + 1] = False, False
        if min(first.sum(), second.sum()) >= SPECK:
            ways.append([first, second])
    return ways
