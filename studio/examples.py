"""The prompts that the first page offers to begin with: the checkpoint's own, or our own."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

EXAMPLES = (
    "A red house left of a green tree at night",
    "A red boat below a yellow sun by the sea",
    "Two green trees and a black cat in the snow",
    "A purple lantern right of a white house on a meadow",
)


@cache
def examples_of(folder: Path | None) -> tuple[str, ...]:
    """The ``examples`` of the folder's ``examples.json``, a file that the evaluation writes.

    Our own where the folder has none, or none that can be read: they are only there to click.
    """
    if folder is None:
        return EXAMPLES
    try:
        found = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return EXAMPLES
    texts = found.get("examples") if isinstance(found, dict) else None
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        return EXAMPLES
    return tuple(texts)
