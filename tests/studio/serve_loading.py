"""The real app with a model that is there only once the file ``go`` is in its home folder."""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import app  # noqa: E402
from tests.scripted import ScriptedPainter  # noqa: E402

app.PATIENCE = 0.1


def open_painter() -> ScriptedPainter:
    go = Path(sys.argv[sys.argv.index("--home") + 1]) / "go"
    while not go.exists():
        time.sleep(0.1)
    return ScriptedPainter(rounds=1)


if __name__ == "__main__":
    sys.exit(app.main(open_painter=open_painter))
