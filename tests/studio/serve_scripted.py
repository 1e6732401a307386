"""The real app with the scripted painter in place of a model: what the browser tests talk to.

    python tests/studio/serve_scripted.py --home DIR --port N

Words in a prompt direct the painter: "slowly" makes its pictures take seconds, "broken" makes the
first picture fail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import app  # noqa: E402
from engine import protocols  # noqa: E402
from engine.checkpoints.vocabulary import read_vocabulary  # noqa: E402
from engine.core.assets import default_checkpoint  # noqa: E402
from engine.core.errors import GenerationError  # noqa: E402
from engine.core.events import Preview  # noqa: E402
from engine.core.image_sizes import ImageSizes  # noqa: E402
from engine.core.parts import Part  # noqa: E402
from engine.inference.events import Drawn  # noqa: E402
from engine.runs.opened_model import OpenedModel  # noqa: E402
from tests.scripted import ScriptedPainter, scripted_model  # noqa: E402


class DirectedPainter(ScriptedPainter):
    """A scripted painter that reads stage directions."""

    def __init__(self) -> None:
        super().__init__(
            rounds=2,
            fault_rounds=(2,),
            token_delay=0.002,
            size=(128, 128),
            image_sizes=ImageSizes((128, 128), 16, 64, 1024),
        )
        self._failed: set[str] = set()

    def draw(self, parts: Sequence[Part], **more: Any) -> Iterator[Preview | Drawn]:
        prompt = getattr(parts[0], "text", "")
        slow = "slowly" in prompt
        self.updates, self.update_delay = (900, 0.1) if slow else (4, 0.01)
        if "broken" in prompt and prompt not in self._failed:
            self._failed.add(prompt)
            raise GenerationError("The picture came out empty.")
        return super().draw(parts, **more)


def open_model() -> OpenedModel:
    model = scripted_model(DirectedPainter(), protocols=protocols.NAMES)
    return replace(model, vocabulary=read_vocabulary(default_checkpoint()))


if __name__ == "__main__":
    sys.exit(app.main(open_model=open_model))
