"""A run of the command line in a plain folder: PNGs and a trajectory.json, whole after every step.

The studio keeps its sessions in a store of its own (:mod:`sessions`).
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.atomic_write import write_bytes
from engine.core.events import (
    Event,
    RunCancelled,
    RunDone,
    RunPaused,
    StepFailed,
    StepFinished,
    step_as_dict,
)
from engine.core.trajectory import Step

if TYPE_CHECKING:
    from PIL.Image import Image

TRAJECTORY = "trajectory.json"


class RunFolder:
    """The folder: its pictures and its trajectory.json, whole after every step."""

    def __init__(
        self, folder: Path, prompt: str, protocol: str, seed: int, fingerprint: dict[str, Any]
    ) -> None:
        self.folder, self.fingerprint, self.protocol, self.seed = folder, fingerprint, protocol, seed
        self.steps = [Step(None, "prompt", "person", {"text": prompt}, recipe={"session_seed": seed})]
        self.files: dict[str, str] = {}
        """File names by the digests of the pictures."""
        self.state, self.reason = "running", ""
        self._pictures: dict[str, bytes] = {}

    def store_image(self, image: Image) -> str:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        self._pictures[digest] = buffer.getvalue()
        return digest

    def pixels(self, digest: str) -> Image:
        import PIL.Image

        return PIL.Image.open(io.BytesIO(self._pictures[digest])).convert("RGB")

    def follow(self, event: Event) -> None:
        """Puts on disk what the event tells of."""
        match event:
            case StepFinished(step):
                if step.image:
                    self.files[step.image] = f"{len(self.steps):02d}-{step.kind}.png"
                    write_bytes(self.folder / self.files[step.image], self._pictures[step.image])
                self.steps.append(step)
            case StepFailed():
                self.state, self.reason = "failed", f"{event.cause} {event.next_action}"
            case RunDone() | RunPaused():
                self.state, self.reason = "done" if isinstance(event, RunDone) else "paused", event.reason
            case RunCancelled():
                self.state, self.reason = "cancelled", "Stopped. Every finished step is kept."
            case _:
                return
        self.save()

    def save(self) -> None:
        write_bytes(
            self.folder / TRAJECTORY, json.dumps(self.as_dict(), ensure_ascii=False, indent=2).encode()
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "protocol": self.protocol,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "state": self.state,
            "reason": self.reason,
            "steps": [step_as_dict(step) for step in self.steps],
            "files": self.files,
        }
