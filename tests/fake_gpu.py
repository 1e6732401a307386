"""A GPU without numbers, for machines without a real one: the meta device, watched.

Its tensors know their shape and dtype only. What a real GPU refuses is refused here too: tensors of two
devices in one operation, factors of two dtypes, 8-bit products of unfit shape. What hangs on a value
(which token, whether all is finite) can't be asked; inside a recording it mustn't be.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

GPU = torch.device("meta")
TRAVELS = ("aten.to", "aten._to_copy", "aten.copy_")
"""Only these may see two devices."""
PRODUCTS = tuple(
    f"aten.{name}"
    for name in (
        "linear",
        "matmul",
        "mm",
        "addmm",
        "bmm",
        "conv2d",
        "convolution",
        "scaled_dot_product_attention",
    )
)


class ClashError(RuntimeError):
    """What a GPU would have refused."""


class Watched(TorchDispatchMode):
    """Looks at every operation."""

    def __torch_dispatch__(self, operation, types, arguments=(), named=None):
        named, name = named or {}, operation._schema.name.replace("::", ".")
        tensors = list(_tensors((*arguments, *named.values())))
        if name in TRAVELS:
            return _travel(operation, arguments, named)
        # a GPU takes single numbers from the CPU
        places = {x.device for x in tensors if x.dim() or x.device == GPU}
        if len(places) > 1:
            raise ClashError(f"{name} got tensors of {sorted(map(str, places))}")
        if GPU in places and name in PRODUCTS:
            kinds = {x.dtype for x in tensors if x.is_floating_point()}
            if len(kinds) > 1:
                raise ClashError(f"{name} got {sorted(map(str, kinds))}")
        if GPU in places and name == "aten._scaled_mm":
            _check_8bit(*arguments)
        return operation(*arguments, **named)


def _tensors(values) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _travel(operation, arguments, named):
    """Copies go anywhere; what comes from the GPU has no numbers, so it comes as zeros."""
    source = next(x for x in reversed(arguments) if isinstance(x, Tensor))
    target = named.get("device") or arguments[0].device
    if source.device != GPU or torch.device(target) == GPU:
        return operation(*arguments, **named)
    zeros = torch.zeros_like(source, device="cpu")
    return operation(*(zeros if x is source else x for x in arguments), **named)


def _check_8bit(a: Tensor, b: Tensor, scale_a: Tensor, scale_b: Tensor, _bias, _scale, out_dtype, *_) -> None:
    """The rules of ``torch._scaled_mm`` with a scale a row on CUDA."""
    fit = {
        "sides in sixteens": not any(side % 16 for side in (a.shape[1], *b.shape)),
        "rows in a row, columns in a column": a.is_contiguous() and b.t().is_contiguous(),
        "a scale a row and a column": (*scale_a.shape, *scale_b.shape) == (len(a), 1, 1, b.shape[1]),
        "whole scales": all(x.dtype == torch.float32 and x.is_contiguous() for x in (scale_a, scale_b)),
        "bfloat16 out": out_dtype == torch.bfloat16,
    }
    if wrong := [rule for rule, kept in fit.items() if not kept]:
        raise ClashError(f"8-bit product: {', '.join(wrong)}")
