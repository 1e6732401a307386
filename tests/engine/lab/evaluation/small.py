"""The tiny checkpoint as one that draws small pictures, so that a run of it takes a moment.

Not for suites that judge: the judge looks long at the noise that random weights draw.
"""

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
    path.write_text(json.dumps(json.loads(path.read_text()) | {"default_image_size": [SIDE, SIDE]}))
    return target
