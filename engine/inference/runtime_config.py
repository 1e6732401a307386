"""How a painter uses its machine, and what it does when memory runs out. Nothing here is about pictures."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from engine.core.out_of_memory import is_card_full, is_memory_full
from engine.inference.context_cache import ContextCache


@dataclass(frozen=True)
class RuntimeConfig:
    """How to run; it changes pictures by no more than rounding.

    ``context_bytes`` of contexts are kept beside the model and ``host_bytes`` more in the computer's own
    memory. ``in_turn`` runs guidance branches one after the other, for cards without room for all at once.
    ``static_text`` writes through a recorded CUDA graph.
    """

    context_bytes: int = 512 * 2**20
    host_bytes: int = 0
    in_turn: bool = False
    static_text: bool = False

    @classmethod
    def usual(cls, device: str) -> RuntimeConfig:
        """What suits a device that nothing else is known of."""
        if torch.device(device).type != "cuda":
            return cls()
        return cls(context_bytes=2 * 2**30, host_bytes=8 * 2**30, static_text=True)

    def as_fingerprint(self) -> dict[str, Any]:
        """What of it may change the last bits, where it isn't the plain way."""
        ways = {"branches": "in turn" * self.in_turn, "text": "static" * self.static_text}
        return {name: way for name, way in ways.items() if way}


@contextmanager
def recover_from_out_of_memory(cache: ContextCache) -> Iterator[None]:
    """Lets an error through, but when memory ran out, frees what can be freed, so that the next run works."""
    try:
        yield
    except Exception as error:
        if is_card_full(error) or is_memory_full(error):
            traceback.clear_frames(error.__traceback__)  # they hold the tensors of the pass that failed
            cache.spill()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        raise
