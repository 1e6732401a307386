"""Means with bootstrap intervals: what every figure of a report is made of. Pure; knows nothing of pictures.

A value belongs to one prompt (the share of its pictures that are right, say), so intervals are over prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb, floor
from statistics import median
from typing import Any

import numpy as np

DRAWS = 2000
SEED = 0
"""Of the bootstrap: the same values always get the same interval."""

Summary = dict[str, Any]
"""``mean``, ``ci95`` (low and high) and ``n``; the first two are ``None`` where ``n`` is 0."""


def summary(values: Sequence[float]) -> Summary:
    """The mean of the values, one a prompt, with its percentile bootstrap interval."""
    return mean_of_groups([values])


def mean_of_groups(groups: Sequence[Sequence[float]]) -> Summary:
    """The unweighted mean of the groups' means; prompts are drawn again within each group.

    Groups without values are left out.
    """
    kept = [np.asarray(values, float) for values in groups if len(values)]
    if not kept:
        return {"mean": None, "ci95": None, "n": 0}
    dice = np.random.default_rng(SEED)
    drawn = [values[dice.integers(len(values), size=(DRAWS, len(values)))].mean(1) for values in kept]
    low, high = np.percentile(np.mean(drawn, 0), (2.5, 97.5))
    mean = float(np.mean([values.mean() for values in kept]))
    return {
        "mean": round(mean, 4),
        "ci95": [round(float(low), 4), round(float(high), 4)],
        "n": sum(map(len, kept)),
    }


def summary_with_median(values: Sequence[float]) -> Summary:
    """As :func:`summary`, with the ``median`` too: for counts with a cap."""
    return summary(values) | {"median": median(values) if values else None}


def with_overall(groups: Mapping[str, Sequence[float]]) -> dict[str, Summary]:
    """Every group's summary, and ``overall``: the unweighted mean of the groups, as GenEval has it."""
    return {name: summary(values) for name, values in groups.items()} | {
        "overall": mean_of_groups(list(groups.values()))
    }


def chance_of_one(right: int, of: int, n: float) -> float:
    """The chance that at least one of ``n`` pictures is right, drawn from ``of`` of which ``right`` are.

    A fractional ``n`` mixes its two neighbours, so that the mean number drawn is ``n``. Raises
    ``ValueError`` unless ``1 <= n <= of``.
    """
    if not 1 <= n <= of:
        raise ValueError(f"the best of {n:g} pictures can't be told from {of}; draw more (--images)")
    below = floor(n)

    def chance(number: int) -> float:
        return 1 - comb(of - right, number) / comb(of, number)

    return chance(below) if below == n else chance(below) + (n - below) * (chance(below + 1) - chance(below))
