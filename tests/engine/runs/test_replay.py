"""One recipe replays: from a step's row and the pictures alone, the real painter makes the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
from pathlib import Path

import PIL.Image
import pytest
import torch

from engine import protocols
from engine.core.events import StepFinished, TextDelta, step_as_dict, step_from_dict
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.inference.painter import open_painter
from engine.protocols.base import Draw, Write
from engine.runs.opened_model import with_protocols
from engine.runs.runner import run_step
from tests.scripted import png
from tests.tiny import CKPT, FOLDER

SETTINGS = Settings(timesteps=3, guidance=3.0, image_guidance=1.5, max_tokens=12)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("replay") / "tiny"
    shutil.copytree(CKPT, target)
    config = json.loads((target / "config.json").read_text())
    config |= {"vae_transform": [64, 32, 16], "vit_transform": [56, 28, 14]}
    (target / "config.json").write_text(json.dumps(config))
    return target


@pytest.mark.parametrize("attempt", [0, 1])
def test_every_step_of_a_trajectory_replays_from_its_row(folder: Path, attempt: int) -> None:
    torch.set_num_threads(1)
    pictures: dict[str, bytes] = {}

    def keep(image: PIL.Image.Image) -> str:
        data = png(image)
        pictures[digest(data)] = data
        return digest(data)

    def pixels(name: str) -> PIL.Image.Image:
        return PIL.Image.open(io.BytesIO(pictures[name])).convert("RGB")

    mine = PIL.Image.open(FOLDER / "inputs" / "vit_img.png").convert("RGB")
    root = Step(None, "prompt", "person", {"text": "a red car"}, recipe={"session_seed": 5})
    plan = Step(root.id, "plan", "person", {"instruction": "Add a car.", "description": "A car."})
    path = [root, plan, Step(plan.id, "sketch", "person", image=keep(mine))]
    model, made = with_protocols(open_painter(folder)), []
    process = protocols.get("process")
    for kind in ("inspect", "refine"):
        events = run_step(
            model,
            process,
            path,
            SETTINGS,
            pixels=pixels,
            store_image=keep,
            session_seed=5,
            attempt=attempt,
            cancel=threading.Event(),
        )
        last = list(events)[-1]
        assert isinstance(last, StepFinished) and last.step.kind == kind, last
        made.append((list(path), json.dumps(step_as_dict(last.step))))
        fault = {"verdict": "The car is small.", "correction": "Make it large."}
        path.append(Step(path[-1].id, "inspect", "person", fault))

    other = open_painter(folder)
    for before, row in reversed(made):  # the other way round, so that the caches differ
        step = step_from_dict(json.loads(row))
        settings = Settings.from_dict(step.recipe["settings"])
        assert step.recipe["fingerprint"] == other.fingerprint
        seed = step.recipe["seed"]
        match protocols.get(step.recipe["protocol"]).next(before, settings):
            case Write(kind, parts):
                options = {"max_tokens": settings.max_tokens, "temperature": settings.temperature}
                written = other.write(parts, pixels=pixels, seed=seed, **options)
                text = "".join(piece.text for piece in written if isinstance(piece, TextDelta))
                assert process.parse(kind, text) == step.fields
            case Draw(_, parts, text_free, image_free):
                drawn = other.draw(
                    parts,
                    text_free=text_free,
                    image_free=image_free,
                    pixels=pixels,
                    settings=settings,
                    seed=seed,
                )
                assert digest(png(list(drawn)[-1].image)) == step.image
