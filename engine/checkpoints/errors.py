"""The error for a checkpoint folder that can't be used, and sentences it ends with."""

from __future__ import annotations

from collections.abc import Sequence

FETCH_AGAIN = "Nothing was loaded. Copy or fetch the whole model folder again, all files of one release."
"""For files that don't belong together."""

TAKE_ANOTHER = "Nothing was loaded. Give the folder of another model."
"""For a model that Restroke can't run."""


class CheckpointError(Exception):
    """A folder that can't be used as a model; ``str(error)`` says why and what to do."""


def truncate_list(names: Sequence[str], limit: int = 8) -> str:
    """The first names of a list that may be long, and how many more there are."""
    shown = ", ".join(list(names)[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
