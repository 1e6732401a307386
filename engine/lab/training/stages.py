"""Stage plans: how many steps, on which data, at which rates. Read from ``assets/training/*.toml``.

Pure values; the loop (``engine.lab.training.unified``) carries them out one after the other.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from engine.core.assets import asset
from engine.lab.training.data.variants import DataVariant
from engine.lab.training.samples import FAMILIES


@dataclass(frozen=True)
class Stage:
    """``steps`` optimiser steps of ``tokens``, all processes together, the families of samples by share.

    Shares move from ``first`` to ``last`` between a quarter and three quarters of the stage. ``matrix_rate``
    is Muon's peak rate and ``other_rate`` AdamW's; after a warm-up both follow one cosine over the stage, or
    stay ``constant``. ``shift`` moves the times of noised pictures towards noise, as in sampling.
    ``variant`` says how its process data is made. ``rejected`` sketches, those in which the next
    inspection finds the fault, are ``masked`` (seen, never a target of the flow) or ``learned`` like any
    other.
    """

    name: str
    steps: int
    first: Mapping[str, float]
    last: Mapping[str, float]
    tokens: int = 8192
    matrix_rate: float = 3e-3
    other_rate: float = 1.5e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    shift: float = 1.5
    variant: DataVariant = DataVariant()
    rejected: Literal["masked", "learned"] = "masked"

    def __post_init__(self) -> None:
        for shares in (self.first, self.last):
            unknown = set(shares) - set(FAMILIES)
            if unknown:
                raise ValueError(
                    f"stage {self.name!r}: no such family of samples: {', '.join(sorted(unknown))}; "
                    f"known: {', '.join(FAMILIES)}"
                )
            if abs(sum(shares.values()) - 1) > 1e-6:
                raise ValueError(f"stage {self.name!r}: the shares sum to {sum(shares.values())}, not to 1")
        if self.steps < 1 or self.tokens < 1:
            raise ValueError(f"stage {self.name!r}: steps and tokens must be at least 1")
        if self.schedule not in ("cosine", "constant"):
            raise ValueError(f"stage {self.name!r}: schedule is {self.schedule!r}, not cosine or constant")
        if self.shift <= 0:
            raise ValueError(f"stage {self.name!r}: shift is {self.shift}, not above 0")
        if self.rejected not in ("masked", "learned"):
            raise ValueError(f"stage {self.name!r}: rejected is {self.rejected!r}, not masked or learned")

    def shares(self, progress: float) -> dict[str, float]:
        """Share of batches of each family at ``progress`` in [0, 1] of the stage."""
        late = min(1.0, max(0.0, (progress - 0.25) / 0.5))
        names = [name for name in FAMILIES if name in self.first or name in self.last]
        return {n: (1 - late) * self.first.get(n, 0.0) + late * self.last.get(n, 0.0) for n in names}


def read_plan(name: str) -> list[Stage]:
    """The stages of ``assets/training/NAME.toml``, or of the file ``name`` if it ends in ``.toml``.

    Raises ``ValueError`` for a plan that isn't there or can't be carried out.
    """
    path = Path(name) if name.endswith(".toml") else asset("training") / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in asset("training").glob("*.toml")))
        raise ValueError(f"there is no stage plan {name!r}; known: {known}, or a file ending in .toml")
    stages = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("stage", []):
        first = entry.pop("shares", {})
        last = entry.pop("last_shares", first)
        variant = {key: entry.pop(key) for key in ("chains", "critique") if key in entry}
        try:
            stages.append(Stage(first=first, last=last, variant=DataVariant(**variant), **entry))
        except TypeError as error:
            raise ValueError(f"{path}: a stage can't be read: {error}") from None
    if not stages:
        raise ValueError(f"{path} names no stage; it needs at least one [[stage]]")
    return stages


def stretched(stages: list[Stage], steps: int | None) -> list[Stage]:
    """The same plan over ``steps`` steps in all, every stage in proportion; unchanged for None."""
    if steps is None:
        return stages
    total = sum(stage.steps for stage in stages)
    return [replace(stage, steps=max(1, round(stage.steps * steps / total))) for stage in stages]


def with_variant(
    stages: list[Stage], chains: str | None, critique: str | None, rejected: str | None
) -> list[Stage]:
    """The same plan with this data variant in every stage; what is None stays as the plan has it."""
    variant: dict[str, Any] = {
        key: value for key, value in (("chains", chains), ("critique", critique)) if value
    }
    kept: dict[str, Any] = {"rejected": rejected} if rejected else {}
    return [replace(stage, variant=replace(stage.variant, **variant), **kept) for stage in stages]
