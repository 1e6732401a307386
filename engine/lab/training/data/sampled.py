"""Scripts from a model's own sketches on disk, so that sampling and training can be apart.

A folder holds ``lessons.jsonl``, a script a line, and every painted picture as ``NAME.png``.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from engine.lab.storybook.scene.scene import Relation, Scene, Thing
from engine.lab.training.data.cases import Case, case_script
from engine.lab.training.data.script import Painted, Part, Script, Shown

SCRIPTS_FILE = "lessons.jsonl"  # an older word for scripts; folders that were sampled with it stay readable


def write_scripts(folder: Path, cases: Iterable[Case], seed: int) -> int:
    """Adds the scripts of these cases to ``folder``; returns how many.

    A case that teaches nothing is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, count = random.Random(f"sampled-{seed}"), 0
    with (folder / SCRIPTS_FILE).open("a", encoding="utf-8") as file:
        for case in cases:
            script = case_script(case, rng)
            if script is not None:
                file.write(json.dumps(_plain(script)) + "\n")
                file.flush()
                count += 1
    return count


def read_scripts(folder: Path) -> list[Script]:
    """The scripts of ``folder``. Raises ``FileNotFoundError`` when it holds none."""
    if not (folder / SCRIPTS_FILE).exists():
        raise FileNotFoundError(f"{folder} holds no {SCRIPTS_FILE}; make it with restroke train sample.")
    lines = (folder / SCRIPTS_FILE).read_text(encoding="utf-8").splitlines()
    return [_script(json.loads(line)) for line in lines]


def keep_picture(folder: Path, name: str, image: Image.Image) -> None:
    """Writes a painted picture into ``folder`` as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{name}.png")


def painted_picture(folder: Path, shown: Painted) -> Image.Image:
    """A painted picture of ``folder`` as RGB."""
    with Image.open(folder / f"{shown.name}.png") as image:
        return image.convert("RGB")


def _plain(script: Script) -> dict[str, Any]:
    parts, scenes = map(asdict, script.parts), map(asdict, script.scenes)
    return {"parts": list(parts), "scenes": list(scenes), "tally": dict(script.tally)}


def _script(found: dict[str, Any]) -> Script:
    parts = [Part(**part) for part in found["parts"]]
    return Script(parts, [_shown(shown) for shown in found["scenes"]], Counter(found["tally"]))


def _shown(found: dict[str, Any]) -> Shown:
    return Painted(found["name"], _scene(found["seen"])) if "name" in found else _scene(found)


def _scene(found: dict[str, Any]) -> Scene:
    things = tuple(Thing(**thing) for thing in found["things"])
    return Scene(found["background"], things, tuple(Relation(**r) for r in found["relations"]))
