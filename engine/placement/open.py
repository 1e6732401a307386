"""Loads the painter that a checkpoint and this machine allow, and says in a line what runs and how fast."""

from __future__ import annotations

import logging
import math

from engine.checkpoints.progress import LoadProgress
from engine.checkpoints.reader import load_checkpoint
from engine.core.settings import Settings
from engine.inference.painter import Painter
from engine.inference.runtime_config import RuntimeConfig
from engine.placement.memory_estimate import picture_size
from engine.placement.planner import Placement, free_memory
from engine.placement.speed_probe import seconds_per_picture

log = logging.getLogger(__name__)

HOST_SHARE = 0.25
"""Of the computer's own free memory, what contexts may spill into."""


def load_painter(found: Placement, *, copy: bool = False, loading: LoadProgress | None = None) -> Painter:
    """Loads a checkpoint as it was placed; ``copy`` keeps what is quantised for the next time.

    Raises ``CheckpointError`` when it can't be used, ``LoadingCancelled`` when ``loading`` was cancelled.
    """
    profile = found.profile
    checkpoint = load_checkpoint(
        found.folder.path,
        found.device,
        profile.precision,
        head=profile.head,
        embeddings_on_host=profile.embeddings_on_host,
        tile=profile.tile,
        layers=found.layers,
        copy=copy,
        loading=loading,
    )
    for note in checkpoint.notes:
        log.warning(note)
    return Painter(checkpoint, found.device, runtime_config_of(found))


def measured_line(found: Placement, painter: Painter, title: str, usual: Settings) -> str:
    """One line about what runs, where, and how long a picture takes, which is measured now."""
    seconds = seconds_per_picture(
        painter.model,
        painter.autoencoder,
        painter.tokens,
        usual,
        painter.default_size,
        sequential_guidance=painter.running.sequential_guidance,
    )
    weights = sum(math.prod(shape) for shape in found.folder.weights.shapes.values())
    height, width = picture_size(found.folder)
    size = f"{weights / 1e9:.1f} billion" if weights >= 1e9 else f"{weights / 1e6:.1f} M"
    where = ", ".join(gpu.name for gpu in found.gpus) or "the CPU"
    return (
        f"{title} · {size} parameters · {painter.checkpoint.precision} on {where} "
        f"(profile {found.profile.name}) · about {format_seconds(seconds)} a picture of {width}x{height}"
    )


def runtime_config_of(found: Placement) -> RuntimeConfig:
    """How the profile runs: contexts spill into no more of the host's memory than a share of what is free.

    A recorded graph belongs to one GPU, so a model that is split over several writes without one.
    """
    usual, free = RuntimeConfig.usual(found.device), free_memory()
    spare = usual.host_bytes if free is None else min(usual.host_bytes, int(free * HOST_SHARE))
    return RuntimeConfig(
        context_bytes=found.profile.context_bytes,
        host_bytes=spare,
        sequential_guidance=found.profile.sequential_guidance,
        cuda_graph_text=usual.cuda_graph_text and found.layers is None,
    )


def format_seconds(seconds: float) -> str:
    """Seconds in words, no more exact than the measurement is."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
