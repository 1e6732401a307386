"""The tiny checkpoint as one that draws small pictures, so that a whole run of it takes a moment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.tiny import CKPT

SIDE = 32


def small_checkpoint(folder: Path) -> Path:
    """A copy in ``folder`` whose pictures are ``SIDE`` pixels wide and high."""
    target = folder / "small"
    shutil.copytree(CKPT, target)
    path = target / "config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(config | {"default_image_size": [SIDE, SIDE]}))
    return target
