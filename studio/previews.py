"""Pictures while they are drawn: the last few frames of each run, in memory, as JPEG. Never a result."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict

from PIL import Image

RUNS, FRAMES = 16, 4


class Previews:
    """Thread-safe; forgets the oldest runs, and of each run the oldest frames."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[str, str], dict[int, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, sid: str, run_id: str, number: int, image: Image.Image) -> None:
        """Keeps frame ``number`` (growing) of a run."""
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=80)
        with self._lock:
            frames = self._runs.setdefault((sid, run_id), {})
            frames[number] = buffer.getvalue()
            frames.pop(number - FRAMES, None)
            self._runs.move_to_end((sid, run_id))
            while len(self._runs) > RUNS:
                self._runs.popitem(last=False)

    def get(self, sid: str, run_id: str, number: int) -> bytes | None:
        """The frame; when it is gone the newest of its run, which a late tab wants anyway."""
        with self._lock:
            frames = self._runs.get((sid, run_id))
            return frames.get(number, frames[max(frames)]) if frames else None
