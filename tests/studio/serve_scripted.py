"""The real app with the scripted painter in place of a model: what the browser tests talk to.

    python tests/studio/serve_scripted.py --home DIR --port N

Words in a prompt direct the painter: "slowly" makes its pictures take seconds, "broken" makes the
first picture fail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import app  # noqa: E402
from engine import protocols  # noqa: E402
from engine.core.image_sizes import ImageSizes  # noqa: E402
from engine.inference.events import FlowUpdate, GenerationError  # noqa: E402
from engine.protocols.base import Segment  # noqa: E402
from tests.scripted import ScriptedPainter  # noqa: E402


class DirectedPainter(ScriptedPainter):
    """A scripted painter that reads stage directions."""

    def __init__(self) -> None:
        super().__init__(
            rounds=2,
            fault_rounds=(2,),
            token_delay=0.002,
            size=(128, 128),
            protocols=protocols.NAMES,
            canvas=ImageSizes((128, 128), 16, 64, 1024),
        )
        self.world = "storybook"
        self._failed: set[str] = set()

    def draw(self, segments: Sequence[Segment], **more: Any) -> Iterator[FlowUpdate]:
        prompt = getattr(segments[0], "text", "")
        slow = "slowly" in prompt
        self.updates, self.update_delay = (900, 0.1) if slow else (4, 0.01)
        if "broken" in prompt and prompt not in self._failed:
            self._failed.add(prompt)
            raise GenerationError("The picture came out empty.")
        return super().draw(segments, **more)


if __name__ == "__main__":
    sys.exit(app.main(open_painter=DirectedPainter))
