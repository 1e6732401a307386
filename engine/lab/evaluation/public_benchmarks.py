"""Draws the pictures of GenEval and WISE in the layouts that their own scorers read. Scores nothing.

GenEval (arXiv 2310.11513): ``00000/metadata.jsonl`` and ``00000/samples/0000.png``. WISE (arXiv
2503.07265): ``{id}.png``. Their scorers need detectors or judges that don't ship with Restroke.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from tqdm import tqdm

from engine.core.atomic_write import atomic_write
from engine.core.settings import Settings
from engine.core.trajectory import last_image, step_seed
from engine.lab.evaluation.rollouts import Album, carry_on, prompt_step

if TYPE_CHECKING:
    from engine.runs.opened_model import OpenedModel

RECORD = "restroke.json"
"""What the pictures of a folder were drawn with; scorers pass it over."""


@dataclass(frozen=True)
class Prompt:
    """A prompt, where its pictures go (a file name by number) and the text file beside them, if any."""

    text: str
    picture: Callable[[int], Path]
    note: tuple[Path, str] | None = None


@dataclass(frozen=True)
class Runner:
    """A benchmark: what its prompt file is called, how it is read, pictures a prompt."""

    name: str
    title: str
    sentence: str
    file: str
    read: Callable[[Path], list[Prompt]]
    images: int


def read_geneval(path: Path) -> list[Prompt]:
    """The lines of ``evaluation_metadata.jsonl``, or of its long variant."""
    prompts = []
    for index, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if not line.strip():
            continue
        folder = Path(f"{index:05d}")
        text = _field(_json(line, f"{path}, line {index + 1},"), "prompt", f"{path}, line {index + 1},")
        prompts.append(
            Prompt(
                text,
                partial(_sample, folder),
                (folder / "metadata.jsonl", line.strip() + "\n"),
            )
        )
    return prompts


def read_wise(path: Path) -> list[Prompt]:
    """The list of one of the benchmark's JSON files: ``prompt_id`` and ``Prompt`` of each entry."""
    entries = _json(path.read_text(encoding="utf-8"), str(path))
    if not isinstance(entries, list):
        raise ValueError(f"{path} holds no list of prompts; nothing was drawn, give one of WISE's JSON files")
    prompts = []
    for place, entry in enumerate(entries, start=1):
        text = _field(entry, "Prompt", f"{path}, entry {place},")
        number = entry.get("prompt_id")
        if type(number) is not int:
            raise ValueError(
                f"{path}, entry {place}, has no whole number as its prompt_id; nothing was drawn"
            )
        prompts.append(Prompt(text, partial(_only, Path(f"{number}.png"))))
    return prompts


def _sample(folder: Path, number: int) -> Path:
    return folder / "samples" / f"{number:04d}.png"


def _only(path: Path, number: int) -> Path:
    return path


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where} is not JSON ({error}); nothing was drawn") from error


def _field(entry: Any, name: str, where: str) -> str:
    text = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where} has no text under {name!r}; nothing was drawn")
    return text


RUNNERS: dict[str, Runner] = {
    runner.name: runner
    for runner in (
        Runner(
            "geneval",
            "GenEval",
            "Draws GenEval's prompts into the folders that its evaluate_images.py reads.",
            "METADATA",
            read_geneval,
            images=4,
        ),
        Runner(
            "wise",
            "WISE",
            "Draws WISE's prompts into the folder that its scorer reads.",
            "PROMPTS",
            read_wise,
            images=1,
        ),
    )
}


def draw_all(
    model: OpenedModel,
    settings: Settings,
    runner: Runner,
    prompts: Sequence[Prompt],
    source: Path,
    out: Path,
    *,
    images: int,
    seed: int,
) -> list[str]:
    """Draws every picture that is not there yet; returns a sentence for each that could not be drawn.

    Raises ``ValueError`` when ``out`` holds pictures drawn with another model, file, seed or setting.
    """
    model = _claim(out, model, lambda model: _record(model, settings, runner, source, seed))
    failed = []
    # disable=None: only on a terminal
    for index, prompt in enumerate(tqdm(prompts, desc=runner.name, unit=" prompts", disable=None)):
        for number in range(images):
            path = out / prompt.picture(number)
            if path.exists():
                continue
            own = step_seed(seed, index, runner.name, number)
            album = Album()
            outcome = carry_on(model, [prompt_step(prompt.text, own)], settings, album, own)
            step = last_image(outcome.steps)
            if step is None or outcome.failed:
                why = f": {outcome.failed}" if outcome.failed else ""
                failed.append(f"no picture could be drawn for {path} ({prompt.text!r}){why}")
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_picture(path, album[step.image])
        if prompt.note is not None:
            path, text = out / prompt.note[0], prompt.note[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return failed


def _record(
    model: OpenedModel, settings: Settings, runner: Runner, source: Path, seed: int
) -> dict[str, Any]:
    return {
        "benchmark": runner.name,
        "prompts": source.name,
        "prompts_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "fingerprint": dict(model.fingerprint),
        "settings": settings.as_dict(),
        "seed": seed,
        "most_pictures": model.max_pictures,
    }


def _claim(out: Path, model: OpenedModel, describe: Callable[[OpenedModel], dict[str, Any]]) -> OpenedModel:
    """Notes what the folder is drawn with, so that no two runs mix in it; returns the model to draw with.

    The memory that is free differs from day to day: a run goes on with the number of pictures that it began
    with, unless there is no room for so many now.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, known = out / RECORD, None
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        began_with = known.get("most_pictures", model.max_pictures)
        model = model.with_max_pictures(min(model.max_pictures, began_with))
    record = describe(model)
    if known not in (None, record):
        raise ValueError(
            f"{out} holds pictures that were drawn with another model, prompt file, seed or setting "
            f"({RECORD} says which); nothing was changed, name another folder with --out"
        )
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return model


def _write_picture(path: Path, image: Image.Image) -> None:
    """So that a picture that is there is whole."""
    with atomic_write(path) as file:
        image.save(file, "PNG")
