"""Recovery from running out of memory: frees what can be freed, so that the next run works."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from engine.core.out_of_memory import is_gpu_full, is_memory_full
from engine.inference.context_cache import ContextCache


@contextmanager
def recover_from_out_of_memory(cache: ContextCache) -> Iterator[None]:
    """Lets every error through, but when memory ran out, spills ``cache`` and gives memory back first."""
    try:
        yield
    except Exception as error:
        if is_gpu_full(error) or is_memory_full(error):
            traceback.clear_frames(error.__traceback__)  # they hold the tensors of the pass that failed
            cache.spill()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        raise
