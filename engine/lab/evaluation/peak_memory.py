"""The most memory that was in use since it was last asked to forget: of the card, or else of this process.

Of cards what torch has handed out on all of them; of a process its resident memory, weights and libraries
with it.
Only Linux forgets the peak of a process: elsewhere it is the highest since the process began.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

_PROCESS = Path("/proc/self")
_FORGET_PEAK = "5"
"""What the kernel wants to read in ``clear_refs`` to begin the peak of resident memory anew."""


def forget(device: str) -> None:
    """From here on the peak is counted anew. ``device`` is a fingerprint's."""
    if _is_card(device):
        import torch

        for card in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(card)
    elif (path := _PROCESS / "clear_refs").exists():
        with suppress(OSError):  # a container may forbid it: then the peak is the highest so far
            path.write_text(_FORGET_PEAK)


def most(device: str) -> int:
    """Bytes at the peak."""
    if _is_card(device):
        import torch

        return sum(torch.cuda.max_memory_allocated(card) for card in range(torch.cuda.device_count()))
    if (path := _PROCESS / "status").exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", path.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _is_card(device: str) -> bool:
    return device.startswith("cuda")
