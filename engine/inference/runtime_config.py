"""How a painter uses its machine: memory for contexts, and the faster or the smaller way to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class RuntimeConfig:
    """How to run; it changes pictures by no more than rounding.

    ``context_bytes`` of contexts are kept beside the model and ``host_bytes`` more in the computer's own
    memory. ``sequential_guidance`` runs the contexts of guidance one after the other, for GPUs without room
    for all at once. ``cuda_graph_text`` writes text through a recorded CUDA graph.
    """

    context_bytes: int = 512 * 2**20
    host_bytes: int = 0
    sequential_guidance: bool = False
    cuda_graph_text: bool = False

    @classmethod
    def usual(cls, device: str) -> RuntimeConfig:
        """The defaults for a device, when nothing else is known about it."""
        if torch.device(device).type != "cuda":
            return cls()
        return cls(context_bytes=2 * 2**30, host_bytes=8 * 2**30, cuda_graph_text=True)

    def as_fingerprint(self) -> dict[str, Any]:
        """What of it may change the last bits of a picture, where it isn't the default.

        Recipes store this, so these words never change.
        """
        words = {"branches": "in turn" * self.sequential_guidance, "text": "static" * self.cuda_graph_text}
        return {name: word for name, word in words.items() if word}
