"""Outlines to cut paper by: polygons, ovals, smooth blobs, strokes and cards, each with a paint's name.

Points are x, y pairs, y down, in whatever unit the drawing uses. Nothing here knows pixels.
"""

from __future__ import annotations

import math

import numpy as np

Shape = tuple[np.ndarray, str]
Pairs = list[tuple[float, float]]


def poly(points: Pairs, paint: str) -> Shape:
    """Straight edges through the points."""
    return np.array(points, float), paint


def oval(x: float, y: float, rx: float, ry: float, paint: str) -> Shape:
    """An ellipse by its centre and half axes."""
    turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    return np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], 1), paint


def curve(points: Pairs, closed: bool) -> np.ndarray:
    """A Catmull-Rom curve through the points, 10 samples a piece."""
    p = np.array(points, float)
    ring = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    t = np.linspace(0, 1, 10, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(ring[:-3], ring[1:-2], ring[2:-1], ring[3:], strict=True):
        pieces.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return np.concatenate(pieces if closed else [*pieces, p[-1:]])


def blob(points: Pairs, paint: str) -> Shape:
    """A smooth closed outline through the points."""
    return curve(points, closed=True), paint


def stroke(points: Pairs, width: float, paint: str) -> Shape:
    """A smooth line with round ends, as an outline."""
    line = curve(points, closed=False)
    way = np.gradient(line, axis=0)
    way /= np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
    side = np.stack([-way[:, 1], way[:, 0]], 1) * width / 2
    cap = np.linspace(0, math.pi, 8)[1:-1, None]
    end = line[-1] + side[-1] * np.cos(cap) + way[-1] * width / 2 * np.sin(cap)
    start = line[0] - side[0] * np.cos(cap) - way[0] * width / 2 * np.sin(cap)
    return np.concatenate([line + side, end, (line - side)[::-1], start]), paint


def rect(x0: float, y0: float, x1: float, y1: float, r: float, paint: str) -> Shape:
    """A rectangle with round corners."""
    parts = []
    for cx, cy, begin in (
        (x1 - r, y1 - r, 0.0),
        (x0 + r, y1 - r, 0.5),
        (x0 + r, y0 + r, 1.0),
        (x1 - r, y0 + r, 1.5),
    ):
        turn = np.linspace(begin, begin + 0.5, 6) * math.pi
        parts.append(np.stack([cx + r * np.cos(turn), cy + r * np.sin(turn)], 1))
    return np.concatenate(parts), paint


def smile(x: float, y: float, w: float) -> list[Shape]:
    """Two eyes, two cheeks and a mouth ``w`` wide."""
    return [
        oval(x - w * 0.62, y - w * 0.42, w * 0.17, w * 0.2, "ink"),
        oval(x + w * 0.62, y - w * 0.42, w * 0.17, w * 0.2, "ink"),
        oval(x - w * 0.95, y + w * 0.02, w * 0.2, w * 0.15, "blush"),
        oval(x + w * 0.95, y + w * 0.02, w * 0.2, w * 0.15, "blush"),
        stroke(
            [(x - w * 0.42, y + w * 0.05), (x, y + w * 0.28), (x + w * 0.42, y + w * 0.05)], w * 0.16, "ink"
        ),
    ]
