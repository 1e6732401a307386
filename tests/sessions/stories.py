"""What the tests of the store share: a small picture, a grown session, a snapshot of a folder."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from engine.core.trajectory import Step
from sessions import Branch, Session, Store

ANN, BOB = "ann", "bob"
ROOT = Path(__file__).parents[2]
SETTINGS = {"protocol": "process", "timesteps": 25, "guidance": 2.5}
RECIPE = {
    "protocol": "process",
    "settings": SETTINGS,
    "seed": 11,
    "attempt": 0,
    "fingerprint": {"engine": "x"},
}


def picture(seed: int = 0, size: tuple[int, int] = (24, 16)) -> Image.Image:
    """Noise: lossless or not shows in every pixel, and it doesn't compress."""
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(size[0] * size[1] * 3))


def plan(parent: str, instruction: str = "draw a red house", author: str = "model") -> Step:
    fields = {"instruction": instruction, "description": "a red house on a meadow"}
    return Step(parent, "plan", author, fields, recipe=RECIPE, result={"seconds": 0.5, "tokens": 12})


def sketch(parent: str, digest: str) -> Step:
    return Step(parent, "sketch", "model", image=digest, recipe=RECIPE, result={"seconds": 2.0})


def inspect(parent: str, correction: str = "") -> Step:
    return Step(
        parent, "inspect", "model", {"verdict": "Fits so far.", "correction": correction}, recipe=RECIPE
    )


@dataclass(frozen=True)
class Story:
    session: Session
    branch: Branch
    prompt: Step
    plan: Step
    sketch: Step
    inspect: Step

    @property
    def ids(self) -> list[str]:
        return [self.prompt.id, self.plan.id, self.sketch.id, self.inspect.id]


def grow(
    store: Store, owner: str = ANN, prompt: str = "a red house left of a green tree", seed: int = 7
) -> Story:
    """A session with prompt → plan → sketch → inspect on its first branch."""
    session = store.sessions.create(owner, prompt, SETTINGS, seed)
    branch = store.tree.branches(owner, session.id)[0]

    def add(step: Step) -> Step:
        return store.tree.add_step(owner, session.id, step, branch.id)

    root = store.tree.step(owner, session.id, branch.tip)
    first = add(plan(root.id))
    drawn = add(sketch(first.id, store.pictures.put(picture(seed))))
    looked = add(inspect(drawn.id))
    return Story(session, store.tree.branch(owner, session.id, branch.id), root, first, drawn, looked)


def snapshot(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def child(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """Another process running ``code`` on this checkout."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
