"""Opens the painter that a checkpoint and this machine allow: fits, loads, measures a moment."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from engine.checkpoints.progress import Loading
from engine.checkpoints.reader import load_checkpoint
from engine.core.settings import Settings
from engine.inference.painter import Painter
from engine.inference.runtime_config import RuntimeConfig
from engine.placement.memory_estimate import picture_size
from engine.placement.planner import Placement, fit, free_memory
from engine.placement.speed_probe import seconds_a_picture

log = logging.getLogger(__name__)

HOST_SHARE = 0.25
"""Of the computer's own free memory, what contexts may spill into."""


def open_model(
    folder: Path | str,
    *,
    profile: str | None = None,
    precision: str | None = None,
    copy: bool = False,
    loading: Loading | None = None,
) -> Painter:
    """The painter, with one honest line about itself in ``about``.

    Raises ``CheckpointError`` when it cannot run here, ``LoadingCancelled`` when ``loading`` was cancelled.
    """
    found = fit(folder, profile=profile, precision=precision)
    painter = load_placed(found, copy=copy, loading=loading)
    usual = Settings.from_dict({**Settings().as_dict(), **painter.sampling})
    seconds = seconds_a_picture(
        painter.model,
        painter.autoencoder,
        painter.tokens,
        usual,
        painter.default_size,
        in_turn=painter.running.in_turn,
    )
    painter.about = line(found, painter, seconds)
    return painter


def load_placed(found: Placement, *, copy: bool = False, loading: Loading | None = None) -> Painter:
    """Loads what was decided."""
    profile = found.profile
    checkpoint = load_checkpoint(
        found.opened.folder,
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


def runtime_config_of(found: Placement) -> RuntimeConfig:
    """How the profile runs: contexts spill into no more of the host's memory than a share of what is free.

    A recorded graph belongs to one card, so a model that is split over several writes without one.
    """
    usual, free = RuntimeConfig.usual(found.device), free_memory()
    spare = usual.host_bytes if free is None else min(usual.host_bytes, int(free * HOST_SHARE))
    return RuntimeConfig(
        context_bytes=found.profile.context_bytes,
        host_bytes=spare,
        in_turn=found.profile.in_turn,
        max_pictures=found.max_pictures,
        static_text=usual.static_text and found.layers is None,
    )


def line(found: Placement, painter: Painter, seconds: float) -> str:
    """What runs, where, and how long a picture takes."""
    weights = sum(math.prod(shape) for shape in found.opened.weights.shapes.values())
    height, width = picture_size(found.opened)
    size = f"{weights / 1e9:.1f} billion" if weights >= 1e9 else f"{weights / 1e6:.1f} M"
    place = ", ".join(card.name for card in found.cards) or "the processor"
    return (
        f"{painter.title} · {size} parameters · {painter.checkpoint.precision} on {place} "
        f"(profile {found.profile.name}) · about {said(seconds)} a picture of {width}x{height}"
    )


def said(seconds: float) -> str:
    """Seconds in words, no more exact than the measurement is."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
