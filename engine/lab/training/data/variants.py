"""How the data of a training is made: the papers' ablations of the process data, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from engine.lab.training.data.chains import VARIED

Chains = Literal["varied", "add-only"]
"""Whether some chains of steps take a detour, or all only add."""

Critique = Literal["none", "symbolic", "self-sampled", "both"]
"""Where critiques come from (arXiv 2604.04746 compares them).

From nowhere, from corrupted scenes told inside the trajectories, from a model's own sketches, whose scripts
``self_sampling`` writes, or from both.
"""

CHAINS: tuple[Chains, ...] = get_args(Chains)
CRITIQUES: tuple[Critique, ...] = get_args(Critique)


@dataclass(frozen=True)
class DataVariant:
    """How the trajectories of a training came to be. Raises ``ValueError`` for one that there isn't."""

    chains: Chains = "varied"
    critique: Critique = "symbolic"

    def __post_init__(self) -> None:
        for name, known in (("chains", CHAINS), ("critique", CRITIQUES)):
            if getattr(self, name) not in known:
                raise ValueError(f"there are no {name} {getattr(self, name)!r}; known: {', '.join(known)}")

    @property
    def name(self) -> str:
        """For folders: ``varied_self-sampled``."""
        return f"{self.chains}_{self.critique}"

    @property
    def corrupts(self) -> bool:
        """Whether scenes are corrupted, to be found wrong."""
        return self.critique in ("symbolic", "both")

    @property
    def self_samples(self) -> bool:
        """Whether a model's own sketches are inspected."""
        return self.critique in ("self-sampled", "both")

    @property
    def varied(self) -> float:
        """The share of chains that take a detour."""
        return VARIED if self.chains == "varied" else 0.0
