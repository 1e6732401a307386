"""Draft quality: two of three later updates predict the network's last state instead of running it.

After TaylorSeer ("From Reusing to Forecasting", arXiv 2503.06923): finite differences between evaluated
updates make a Taylor series in the number of the update. Only the last layer's state is kept, because a
predicted pass ignores everything before it. Predictions are not exact; final quality does without them.
"""

from __future__ import annotations

import math

from torch import Tensor

FIRST_EVALUATED = 5
"""Updates at the beginning that are all evaluated: the series needs something to begin with."""
EVERY = 3
"""After them every third update is evaluated."""
ORDER = 6
"""Highest order of the series."""


def is_evaluated(update: int) -> bool:
    """Whether the network runs for this update, counted from 0."""
    return update < FIRST_EVALUATED or (update - FIRST_EVALUATED) % EVERY == EVERY - 1


def draft_timesteps(timesteps: int) -> int:
    """Schedule points of a draft instead of ``timesteps``: half the updates, but at least 8 of them."""
    updates = timesteps - 1
    return 1 + min(updates, max(8, updates // 2))


class TaylorPredictor:
    """The last state after one context as a function of the update's number. States may have any shape."""

    def __init__(self) -> None:
        self._terms: list[Tensor] = []
        self._at = 0

    def __bool__(self) -> bool:
        """Whether it can predict yet."""
        return bool(self._terms)

    def add(self, update: int, state: Tensor) -> None:
        """Takes an evaluated state. Differences begin with the last of the first evaluated updates."""
        terms, distance = [state], update - self._at
        if update >= FIRST_EVALUATED - 1:
            for old in self._terms[:ORDER]:
                terms.append((terms[-1] - old) / distance)
        self._terms, self._at = terms, update

    def predict(self, update: int) -> Tensor:
        """The state at an update after the last evaluated one."""
        x = update - self._at
        total = self._terms[0].float()
        for i, term in enumerate(self._terms[1:], start=1):
            total = total.add(term.float(), alpha=x**i / math.factorial(i))
        return total.to(self._terms[0].dtype)
