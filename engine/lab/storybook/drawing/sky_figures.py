"""The seven cut-paper figures of the sky.

A drawing is a list of shapes from back to front, in a box one unit high: x runs over [0, aspect],
y down over [0, 1]. Paint names are those of ``palette.paints`` and ``palette.FIXED``.
"""

from __future__ import annotations

import math

import numpy as np

from engine.lab.storybook.drawing.shapes import Shape, blob, oval, poly, rect, smile, stroke


def sun() -> list[Shape]:
    rays = []
    for step in range(10):
        turn = math.pi / 5 * step
        tip = (0.5 + 0.5 * math.cos(turn), 0.5 + 0.5 * math.sin(turn))
        feet = [(0.5 + 0.36 * math.cos(turn + d), 0.5 + 0.36 * math.sin(turn + d)) for d in (-0.27, 0.27)]
        rays.append(poly([tip, feet[0], (0.5, 0.5), feet[1]], "light"))
    return [*rays, oval(0.5, 0.5, 0.34, 0.34, "body"), *smile(0.5, 0.53, 0.17)]


def moon() -> list[Shape]:
    outer = [
        (0.5 + 0.5 * math.cos(a), 0.5 + 0.5 * math.sin(a)) for a in np.linspace(0.26, 1.74, 40) * math.pi
    ]
    inner = [
        (0.80 + 0.385 * math.cos(a), 0.5 + 0.385 * math.sin(a)) for a in np.linspace(1.43, 0.57, 30) * math.pi
    ]
    return [
        poly(outer + inner, "body"),
        stroke([(0.17, 0.44), (0.22, 0.48), (0.28, 0.46)], 0.035, "ink"),
        oval(0.22, 0.60, 0.055, 0.042, "blush"),
        oval(0.40, 0.86, 0.055, 0.045, "shade"),
        oval(0.37, 0.15, 0.065, 0.055, "shade"),
    ]


def cloud() -> list[Shape]:
    return [
        oval(0.32, 0.62, 0.30, 0.32, "body"),
        oval(0.74, 0.42, 0.40, 0.42, "body"),
        oval(1.24, 0.60, 0.34, 0.34, "body"),
        rect(0.14, 0.56, 1.48, 1.0, 0.20, "body"),
        oval(0.52, 0.84, 0.24, 0.09, "shade"),
        oval(1.12, 0.82, 0.24, 0.09, "shade"),
        oval(0.72, 0.26, 0.20, 0.13, "light"),
    ]


def balloon() -> list[Shape]:
    skin = [
        (0.37, 0.0),
        (0.64, 0.10),
        (0.74, 0.34),
        (0.65, 0.55),
        (0.48, 0.74),
        (0.26, 0.74),
        (0.09, 0.55),
        (0.0, 0.34),
        (0.10, 0.10),
    ]
    return [
        rect(0.29, 0.70, 0.33, 0.88, 0.01, "wood"),
        rect(0.41, 0.70, 0.45, 0.88, 0.01, "wood"),
        blob(skin, "body"),
        blob(
            [
                (0.37, 0.0),
                (0.51, 0.14),
                (0.55, 0.36),
                (0.49, 0.57),
                (0.42, 0.745),
                (0.32, 0.745),
                (0.25, 0.57),
                (0.19, 0.36),
                (0.23, 0.14),
            ],
            "light",
        ),
        blob(
            [
                (0.37, 0.0),
                (0.42, 0.15),
                (0.44, 0.36),
                (0.42, 0.57),
                (0.39, 0.745),
                (0.35, 0.745),
                (0.32, 0.57),
                (0.30, 0.36),
                (0.32, 0.15),
            ],
            "body",
        ),
        rect(0.25, 0.71, 0.49, 0.76, 0.02, "shade"),
        rect(0.24, 0.81, 0.50, 1.0, 0.05, "wood"),
    ]


def bird() -> list[Shape]:
    return [
        poly([(0.0, 0.44), (0.10, 0.40), (0.34, 0.56), (0.30, 0.74), (0.05, 0.74), (0.12, 0.58)], "shade"),
        poly([(1.0, 0.42), (1.16, 0.52), (0.99, 0.60)], "amber"),
        blob(
            [
                (0.22, 0.60),
                (0.46, 0.48),
                (0.66, 0.42),
                (0.86, 0.32),
                (1.03, 0.44),
                (1.0, 0.68),
                (0.78, 0.92),
                (0.48, 0.94),
                (0.28, 0.78),
            ],
            "body",
        ),
        blob([(0.94, 0.66), (0.76, 0.88), (0.52, 0.90), (0.62, 0.76)], "light"),
        blob(
            [
                (0.40, 0.62),
                (0.26, 0.30),
                (0.22, 0.02),
                (0.46, 0.10),
                (0.68, 0.40),
                (0.68, 0.60),
                (0.54, 0.70),
            ],
            "shade",
        ),
        oval(0.88, 0.46, 0.045, 0.05, "ink"),
    ]


def kite() -> list[Shape]:
    top, right, foot, left, heart = (0.36, 0.0), (0.72, 0.26), (0.36, 0.70), (0.0, 0.26), (0.36, 0.26)
    return [
        stroke([(0.36, 0.66), (0.40, 0.80), (0.32, 0.98)], 0.055, "wood"),
        poly([(0.36, 0.84), (0.56, 0.74), (0.56, 0.93)], "shade"),
        poly([(0.40, 0.84), (0.18, 0.76), (0.18, 0.95)], "shade"),
        poly([top, right, heart], "body"),
        poly([right, foot, heart], "shade"),
        poly([foot, left, heart], "body"),
        poly([left, top, heart], "light"),
    ]


def star() -> list[Shape]:
    points = []
    for step in range(10):
        turn, far = -math.pi / 2 + math.pi / 5 * step, 0.545 if step % 2 == 0 else 0.285
        points.append((0.52 + far * math.cos(turn), 0.545 + far * math.sin(turn)))
    facets = [poly([points[i], points[(i + 1) % 10], (0.52, 0.545)], "light") for i in (0, 8)]
    return [poly(points, "body"), *facets, oval(0.52, 0.57, 0.245, 0.235, "body"), *smile(0.52, 0.59, 0.13)]
