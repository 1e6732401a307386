"""Saving and resuming a training run: modules, optimisers and plain tensors in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer


def save_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimisers: Sequence[Optimizer],
    **tensors: Mapping[str, Tensor],
) -> None:
    """Writes everything a resume needs; the old file is replaced only by a whole new one."""
    found: dict[str, Tensor] = {}
    for name, module in modules.items():
        found |= {f"module.{name}.{k}": v for k, v in module.state_dict().items()}
    for number, optimiser in enumerate(optimisers):
        for index, slots in optimiser.state_dict()["state"].items():
            found |= {f"optimiser.{number}.{index}.{slot}": value for slot, value in slots.items()}
    for name, values in tensors.items():
        found |= {f"tensors.{name}.{k}": v for k, v in values.items()}
    part = path.with_suffix(".part")
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in found.items()}, part)
    part.replace(path)


def load_state(
    path: Path, modules: Mapping[str, nn.Module], optimisers: Sequence[Optimizer]
) -> dict[str, dict[str, Tensor]]:
    """Restores modules and optimisers in place and returns the plain tensors by name.

    Raises ``RuntimeError`` (from torch) when the file is of a model of another shape.
    """
    found = load_file(path)

    def below(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}

    for name, module in modules.items():
        module.load_state_dict(below(f"module.{name}."))
    for number, optimiser in enumerate(optimisers):
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in below(f"optimiser.{number}.").items():
            index, slot = key.split(".", 1)
            slots.setdefault(int(index), {})[slot] = value
        optimiser.load_state_dict({"state": slots, "param_groups": optimiser.state_dict()["param_groups"]})
    tensors: dict[str, dict[str, Tensor]] = {}
    for key, value in below("tensors.").items():
        name, inner = key.split(".", 1)
        tensors.setdefault(name, {})[inner] = value
    return tensors
