"""The peak of memory in use since the last reset: of all GPUs together, or else of this process.

On GPUs it is what torch has allocated; of a process it is the resident memory, weights and libraries
included. Only Linux can reset the peak of a process: elsewhere it is the highest since the process began.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"
"""What the kernel wants to read in ``clear_refs`` to begin the peak of resident memory anew."""


def reset_peak(device: str) -> None:
    """Counts the peak anew from here on. ``device`` is a fingerprint's."""
    if _is_gpu(device):
        import torch

        for gpu in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(gpu)
    elif (path := _PROCESS / "clear_refs").exists():
        with suppress(OSError):  # a container may forbid it: then the peak is the highest so far
            path.write_text(_RESET_PEAK)


def peak_bytes(device: str) -> int:
    """Bytes at the peak."""
    if _is_gpu(device):
        import torch

        return sum(torch.cuda.max_memory_allocated(gpu) for gpu in range(torch.cuda.device_count()))
    if (path := _PROCESS / "status").exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", path.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _is_gpu(device: str) -> bool:
    return device.startswith("cuda")
