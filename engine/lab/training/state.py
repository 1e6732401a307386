"""Saving and resuming a training run: modules, optimisers, plain tensors and the log in one safetensors file.

The log says how far the run is. It is in the same file, so that no end of the process parts the two; a
readable copy is beside it (``unified.json`` beside ``unified.state.safetensors``).
Frozen parameters are left out: a run that goes on has them from where it began.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.core.atomic_write import atomic_path, write_json
from engine.lab.training.sharding import spread, whole


def save_state(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimisers: Sequence[Optimizer],
    log: Mapping[str, Any],
    *,
    writes: bool = True,
    **tensors: Mapping[str, Tensor],
) -> None:
    """Writes everything a resume needs; the old file is replaced only by a whole new one.

    Of several processes all must call it, for tensors that are split over them; only one ``writes``.
    """
    found: dict[str, Tensor] = {}
    for name, module in modules.items():
        found |= {f"module.{name}.{k}": v for k, v in changing(module).items()}
    for number, optimiser in enumerate(optimisers):
        for index, slots in optimiser.state_dict()["state"].items():
            found |= {f"optimiser.{number}.{index}.{slot}": value for slot, value in slots.items()}
    for name, values in tensors.items():
        found |= {f"tensors.{name}.{k}": v for k, v in values.items()}
    gathered: dict[str, Tensor] = {}
    for name, value in found.items():
        value = whole(value.detach())
        if writes:
            gathered[name] = value.cpu().contiguous().clone()
    if writes:
        with atomic_path(path) as part:
            save_file(gathered, part, {"log": json.dumps(log)})
        write_json(log_beside(path), log)


def log_beside(path: Path) -> Path:
    """Where the readable copy of a state's log is."""
    return path.with_name(path.name.removesuffix(".state.safetensors") + ".json")


def read_log(path: Path) -> dict[str, Any]:
    """The log of a saved state."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["log"])


def changing(module: nn.Module) -> dict[str, Tensor]:
    """A module's state without its frozen parameters."""
    frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in module.state_dict().items() if name not in frozen}


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
        own = module.state_dict()
        values = below(f"module.{name}.").items()
        frozen = {k: own[k] for k in own.keys() - changing(module).keys()}
        module.load_state_dict(frozen | {k: spread(v, own[k]) if k in own else v for k, v in values})
    for number, optimiser in enumerate(optimisers):
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in below(f"optimiser.{number}.").items():
            index, slot = key.split(".", 1)
            like = parameters[int(index)]
            split = spread(value, like) if value.shape == like.shape else value
            slots.setdefault(int(index), {})[slot] = split
        optimiser.load_state_dict({"state": slots, "param_groups": optimiser.state_dict()["param_groups"]})
    tensors: dict[str, dict[str, Tensor]] = {}
    for key, value in below("tensors.").items():
        name, inner = key.split(".", 1)
        tensors.setdefault(name, {})[inner] = value
    return tensors
