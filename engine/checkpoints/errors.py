"""What goes wrong with a checkpoint folder, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

FETCH_AGAIN = "Nothing was loaded. Copy or fetch the whole model folder again, all files of one release."
"""What to do about files that do not belong together."""

TAKE_ANOTHER = "Nothing was loaded. Give the folder of another model."
"""What to do about a model that Restroke cannot run."""


class CheckpointError(Exception):
    """A folder that cannot be used as a model; ``str(error)`` says why and what to do."""


def some(names: Sequence[str], limit: int = 8) -> str:
    """The first names of a list that may be a thousand long."""
    shown = ", ".join(list(names)[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
