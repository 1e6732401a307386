"""The precisions a model can be loaded in, and the dtype of what each leaves unquantised."""

from __future__ import annotations

import torch

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.quantise.convert import FORMATS

UNQUANTISED = {"float32": torch.float32, "bf16": torch.bfloat16}
PRECISIONS = (*UNQUANTISED, *FORMATS)


def compute_dtype(precision: str, device: str) -> torch.dtype:
    """The dtype of activations and of all weights that are not quantised.

    Beside quantised weights that is bfloat16; on CPUs float32, since many would only emulate bfloat16.
    Raises ``CheckpointError`` for an unknown precision.
    """
    if precision not in PRECISIONS:
        raise CheckpointError(f"Precision {precision!r} is unknown; choose one of {', '.join(PRECISIONS)}.")
    if precision in UNQUANTISED:
        return UNQUANTISED[precision]
    return torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16


def precision_label(precision: str, *, head: bool) -> str:
    """The precision as a fingerprint names it; two labels never make the same picture to the byte."""
    return f"{precision}+head" if head and precision in FORMATS else precision
