"""Splitting a model over processes, and recomputing its layers: what makes a large one fit.

Every layer of the language model is one unit, and everything else another: weights, gradients and optimiser
state are split over the processes, and a unit's weights gathered while it runs (PyTorch's FSDP2, which the
plugin of accelerate calls too, but on GPUs only). How big that leaves each process is
``dry_run``'s business.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, TypeGuard

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils._pytree import register_pytree_node
from torch.utils.checkpoint import checkpoint

from engine.model.bagel import Bagel
from engine.model.language import GEN, ExpertRows

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

LAYERS = "language_model.model.layers."

# FSDP2 looks for the tensors a unit is given, and finds them in known containers only.
register_pytree_node(
    ExpertRows,
    lambda g: ([g.hidden, g.cos, g.sin], g.expert),
    lambda values, expert: ExpertRows(expert, *values),
)


def recompute_layers(model: Bagel) -> None:
    """From now on a layer keeps its inputs alone and is run again in the backward pass, to equal values."""
    for layer in model.language_model.model.layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)


def shard(module: nn.Module, model: Bagel, accelerator: Accelerator) -> None:
    """Splits ``module``, which holds ``model``, over all processes, in place.

    All processes must then run the same number of forward passes. Raises ``ValueError`` for a single one.
    """
    if accelerator.num_processes < 2:
        raise ValueError("one process has nothing to split: start several with accelerate launch")
    from torch.distributed.device_mesh import init_device_mesh  # these take seconds, and most trainings
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard  # are of one process

    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    half = torch.bfloat16 if accelerator.mixed_precision == "bf16" else None
    policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in model.language_model.model.layers:
        layer.forward = partial(_touching_layer, layer, layer.forward)
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    module.forward = partial(_touching, module, module.forward)
    fully_shard(module, mesh=mesh, mp_policy=policy)


def _touching_layer(
    layer: nn.Module, forward: Callable, groups: list[ExpertRows], attend: object
) -> list[Tensor]:
    """A layer's forward in which the drawing expert has gradients even where nothing is drawn.

    Processes add up gradients weight by weight, so all must have the same ones.
    """
    first, *rest = forward(groups, attend)
    if all(group.expert != GEN for group in groups):
        first = first + _nothing(p for name, p in layer.named_parameters() if GEN in name).to(first.dtype)
    return [first, *rest]


def _touching(module: nn.Module, forward: Callable, *args: object) -> Tensor:
    """The forward of what is around the layers, in which every weight has a gradient."""
    return forward(*args) + _nothing(p for name, p in module.named_parameters() if LAYERS not in name)


def _nothing(parameters: Iterable[Tensor]) -> Tensor:
    """0, with a gradient of 0 for every parameter that is trained."""
    return sum((p.flatten()[0].float() for p in parameters if p.requires_grad), torch.zeros(())) * 0


def _is_split(value: Tensor) -> TypeGuard[DTensor]:
    """Whether a tensor is split over processes; then its class was imported by :func:`shard`."""
    tensor = sys.modules.get("torch.distributed.tensor")
    return tensor is not None and isinstance(value, tensor.DTensor)


def local(value: Tensor) -> Tensor:
    """This process's part of a tensor, sharing its memory; a tensor that isn't split as it is."""
    return value.to_local() if _is_split(value) else value


def gathered(part: Tensor, like: Tensor) -> Tensor:
    """The whole tensor, of which every process has a ``part`` as of ``like``."""
    if not _is_split(like):
        return part
    from torch.distributed.tensor import DTensor

    return DTensor.from_local(
        part, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
    ).full_tensor()


def whole(value: Tensor) -> Tensor:
    """A tensor with the parts of all processes, each of which must ask."""
    return value.full_tensor() if _is_split(value) else value


def spread(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, the same in every process, split as ``like`` is."""
    if not _is_split(like):
        return value
    from torch.distributed.tensor import distribute_tensor

    there = value.to(like.device)
    return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None)
