"""What goes wrong with a checkpoint folder, in sentences."""

from __future__ import annotations

from collections.abc import Sequence


class CheckpointError(Exception):
    """A folder that cannot be used as a model; ``str(error)`` says why and what to do."""


def some(names: Sequence[str], limit: int = 8) -> str:
    """The first names of a list that may be a thousand long."""
    shown = ", ".join(list(names)[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
