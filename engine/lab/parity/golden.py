"""Recorded values that remember whether anybody looked at them, and the checks made against them.

A value nobody compared would let a wrong one pass, so a case fails while any is left over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

EXACT = 0.0
HIDDEN = 2e-5
LATENT = 2e-4
SECOND_TURN = 1e-3
LEVEL = 1.0

DESCRIPTIVE = {"note", "prompt", "input", "order", "cfg_text_context", "batch_vs_single_max_abs"}
"""Fields that describe a recording rather than hold an output."""


class Fields:
    """A recorded JSON object; remembers which of its fields were read."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values, self.unread = values, set(values) - DESCRIPTIVE

    def __getitem__(self, name: str) -> Any:
        self.unread.discard(name)
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        self.unread.discard(name)
        return self.values.get(name, default)

    def __contains__(self, name: str) -> bool:
        return name in self.values


@dataclass(frozen=True)
class Check:
    """One comparison: ``error`` is the largest absolute difference (inf when shapes differ)."""

    name: str
    error: float
    threshold: float

    @property
    def ok(self) -> bool:
        return self.error <= self.threshold  # a NaN is not

    @property
    def badness(self) -> float:
        if not self.ok:
            return float("inf")
        return self.error / self.threshold if self.threshold else self.error


class Golden:
    """One recorded case: its tensors, fields and pictures, and the checks made so far."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.stem = stem
        tensors, fields = folder / f"{stem}.safetensors", folder / f"{stem}.json"
        self.tensors = load_file(tensors) if tensors.exists() else {}
        self.json = json.loads(fields.read_text(encoding="utf-8")) if fields.exists() else {}
        self.pictures = {p.stem: p for p in sorted(folder.glob("*.png")) if p.stem == stem}
        self.pictures |= {p.stem: p for p in sorted(folder.glob(f"{stem}_*.png")) if not _has_own_case(p)}
        self.checks: list[Check] = []
        self._unread = set(self.tensors) | set(self.pictures)
        self._fields: list[Fields] = []

    @property
    def fields(self) -> Fields:
        """The case's JSON object."""
        if not self._fields:
            self._fields.append(Fields(self.json))
        return self._fields[0]

    def entries(self) -> Iterator[Fields]:
        """The objects of a case whose JSON is a list of them."""
        for values in self.json:
            self._fields.append(Fields(values))
            yield self._fields[-1]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def __getitem__(self, name: str) -> Tensor:
        self._unread.discard(name)
        return self.tensors[name]

    def close(self, name: str, got: Tensor, threshold: float, want: Tensor | None = None) -> None:
        """Compares a tensor with the recorded one of this name (or with ``want``)."""
        want = self[name] if want is None else want
        if got.shape != want.shape:
            self.checks.append(
                Check(f"{name}: shape {list(got.shape)}, not {list(want.shape)}", float("inf"), 0.0)
            )
            return
        gap = (got.detach().double().cpu() - want.double()).abs()
        self.checks.append(Check(name, gap.max().item() if gap.numel() else 0.0, threshold))

    def equal(self, name: str, got: Any, want: Any) -> None:
        """Compares plain values that must be the same."""
        same = got == want
        self.checks.append(
            Check(name if same else f"{name}: {got!r:.60}, not {want!r:.60}", 0.0 if same else 1.0, 0.0)
        )

    def picture(self, name: str, levels: Tensor) -> None:
        """Compares uint8 [H, W, 3] with a recorded PNG, give or take one level."""
        self._unread.discard(name)
        want = torch.from_numpy(np.array(Image.open(self.pictures[name]).convert("RGB")))
        self.close(f"{name}.png", levels, LEVEL, want)

    def left_over(self) -> list[str]:
        """What was recorded and never looked at."""
        fields = {f"json:{name}" for each in self._fields for name in each.unread}
        if self.json and not self._fields:
            fields.add("the whole json")
        return sorted(self._unread | fields)


def _has_own_case(picture: Path) -> bool:
    return picture.with_suffix(".json").exists() or picture.with_suffix(".safetensors").exists()


def stems(folder: Path) -> list[str]:
    """Every case in the folder; pictures beside a case belong to it."""
    names = {p.stem for p in folder.iterdir() if p.suffix in (".json", ".safetensors")}
    lone = {
        p.stem
        for p in folder.glob("*.png")
        if p.stem not in names and not any(p.stem.startswith(f"{name}_") for name in names)
    }
    return sorted(names | lone)
