"""Replaces a model's linear layers by quantised ones, still empty."""

from __future__ import annotations

from torch import nn

from engine.checkpoints.quantise.base import QuantisedLinear
from engine.checkpoints.quantise.skipped import quantised_names

FORMATS = ("nf4", "fp8", "int8")
SLOW = {"int8": "about half as fast as bf16; take fp8 or nf4 if you can"}


def layer_of(precision: str) -> type[QuantisedLinear]:
    """The layer class of a format, imported only now: bitsandbytes takes seconds to import."""
    if precision == "nf4":
        from engine.checkpoints.quantise.nf4 import Nf4Linear

        return Nf4Linear
    if precision == "int8":
        from engine.checkpoints.quantise.int8 import Int8Linear

        return Int8Linear
    from engine.checkpoints.quantise.fp8 import Fp8Linear

    return Fp8Linear


def convert(model: nn.Module, precision: str, *, head: bool) -> None:
    """Replaces the layers of a model on the meta device; ``precision`` is one of :data:`FORMATS`."""
    kind = layer_of(precision)
    for name in quantised_names(model, head=head):
        owner_name, _, leaf = name.rpartition(".")
        owner = model.get_submodule(owner_name)
        linear = getattr(owner, leaf)
        setattr(owner, leaf, kind(linear.in_features, linear.out_features, linear.bias is not None))
