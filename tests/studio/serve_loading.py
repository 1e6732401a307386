"""The real app with a model that is there only once the file ``go`` is in its home folder."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import app  # noqa: E402
from engine.checkpoints.progress import LoadProgress  # noqa: E402
from engine.runs.opened_model import OpenedModel  # noqa: E402
from studio import launch  # noqa: E402
from tests.scripted import ScriptedPainter, scripted_model  # noqa: E402

launch.PATIENCE = 0.1


def opener(args: Namespace, loading: LoadProgress) -> Callable[[], OpenedModel]:
    def open_model() -> OpenedModel:
        loading.begin(100)
        loading.advance(40)
        while not (args.home / "go").exists():
            loading.advance(0)
            time.sleep(0.1)
        return scripted_model(ScriptedPainter(rounds=1))

    return open_model


launch.opener = opener

if __name__ == "__main__":
    sys.exit(app.main())
