"""Draft quality: of the later updates of a picture two of three guess the network's last state.

After TaylorSeer ("From Reusing to Forecasting", arXiv 2503.06923): finite differences between full
evaluations make a Taylor series in the number of updates. Of all layers only the last one's state is
kept, because a guessed pass ignores everything before it. What is guessed is not exact; whoever wants
an exact picture leaves this out.
"""

from __future__ import annotations

import math

from torch import Tensor

FIRST_FULL = 5
"""So many updates at the beginning are evaluated in full: the series needs something to begin with."""
EVERY = 3
"""After them, every third."""
ORDER = 6
"""Highest order of the series."""


def is_full(update: int) -> bool:
    """Whether the update of this number, from 0, is evaluated in full."""
    return update < FIRST_FULL or (update - FIRST_FULL) % EVERY == EVERY - 1


def fewer(timesteps: int) -> int:
    """Schedule points of a draft instead of ``timesteps``: half the updates, but 8 if there are so many."""
    updates = timesteps - 1
    return 1 + min(updates, max(8, updates // 2))


class TaylorPredictor:
    """The last state of one branch as a function of the update's number. States may have any shape."""

    def __init__(self) -> None:
        self._terms: list[Tensor] = []
        self._at = 0

    def __bool__(self) -> bool:
        """Whether anything can be guessed yet."""
        return bool(self._terms)

    def add(self, update: int, state: Tensor) -> None:
        """Takes in a full evaluation. Differences begin with the last of the first full updates."""
        terms, distance = [state], update - self._at
        if update >= FIRST_FULL - 1:
            for old in self._terms[:ORDER]:
                terms.append((terms[-1] - old) / distance)
        self._terms, self._at = terms, update

    def guess(self, update: int) -> Tensor:
        """The state at an update after the last full one."""
        x = update - self._at
        total = self._terms[0].float()
        for i, term in enumerate(self._terms[1:], start=1):
            total = total.add(term.float(), alpha=x**i / math.factorial(i))
        return total.to(self._terms[0].dtype)
