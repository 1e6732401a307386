"""In which precision training multiplies: bfloat16 where the device does it in hardware, else float32."""

from __future__ import annotations

import torch


def multiplies_bfloat16(device: str) -> bool:
    """Whether ``device`` has instructions for bfloat16 products.

    On a CPU without bfloat16 instructions an emulated product takes several times as long as a float32 one
    (measured on two AVX2 cores: 13 against 113 GFLOP/s for 8192 rows of 256 by 704).
    """
    return torch.device(device).type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def fast_precision(device: str) -> torch.autocast:
    """An autocast context for ``device``, switched off where bfloat16 would be emulated."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=multiplies_bfloat16(device))
