"""The layouts that GenEval's and WISE's scorers read, going on in a folder, and files that don't fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from engine.core.settings import Settings
from engine.lab.evaluation.public_benchmarks import RUNNERS, draw_all
from engine.runs.opened_model import OpenedModel
from tests.scripted import scripted_model

LINES = [
    {"tag": "single_object", "include": [{"class": "setup", "count": 1}], "prompt": "a photo of a setup"},
    {"tag": "colors", "include": [{"class": "cow", "count": 1, "color": "red"}], "prompt": "a red cow"},
]
ENTRIES = [
    {"prompt_id": 1, "Prompt": "a lion dance", "Category": "Culture"},
    {"prompt_id": 7, "Prompt": "ice"},
]
DIRECT = Settings(protocol="direct", timesteps=3)


def metadata(folder: Path) -> Path:
    path = folder / "evaluation_metadata.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


def draw(name: str, path: Path, out: Path, model: OpenedModel, **options: int) -> list[str]:
    runner = RUNNERS[name]
    asked = {"images": runner.images, "seed": 0} | options
    return draw_all(model, DIRECT, runner, runner.read(path), path, out, **asked)


def draws(model: OpenedModel) -> int:
    return sum(asked["call"] == "draw" for asked in model.painter.asked)


def test_geneval_gets_a_folder_a_prompt_with_its_line_and_four_samples(tmp_path: Path) -> None:
    out, model = tmp_path / "out", scripted_model()
    assert draw("geneval", metadata(tmp_path), out, model) == []
    for number, line in enumerate(LINES):
        folder = out / f"{number:05d}"
        assert json.loads((folder / "metadata.jsonl").read_text()) == line
        samples = sorted(path.name for path in (folder / "samples").iterdir())
        assert samples == ["0000.png", "0001.png", "0002.png", "0003.png"]
    assert Image.open(out / "00001/samples/0003.png").size == (64, 64)
    assert len({asked["seed"] for asked in model.painter.asked if asked["call"] == "draw"}) == 8
    assert model.painter.asked[0]["parts"][0].text == "a photo of a setup"


def test_wise_gets_one_picture_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "cultural.json"
    path.write_text(json.dumps(ENTRIES))
    assert draw("wise", path, tmp_path / "out", scripted_model()) == []
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png")) == ["1.png", "7.png"]


def test_what_is_drawn_is_not_drawn_again(tmp_path: Path) -> None:
    path, out = metadata(tmp_path), tmp_path / "out"
    draw("geneval", path, out, scripted_model())
    lost = out / "00000/samples/0002.png"
    before = lost.read_bytes()
    lost.unlink()
    model = scripted_model()
    draw("geneval", path, out, model)
    assert draws(model) == 1 and lost.read_bytes() == before


def test_another_run_may_not_mix_into_a_folder(tmp_path: Path) -> None:
    path, out, model = metadata(tmp_path), tmp_path / "out", scripted_model()
    draw("geneval", path, out, model)
    with pytest.raises(ValueError, match="--out"):
        draw("geneval", path, out, model, seed=1)


def test_a_picture_that_fails_is_told_and_the_others_are_drawn(tmp_path: Path) -> None:
    calls: list[int] = []

    def on_update(index: int) -> None:
        calls.append(index)
        if len(calls) == 1:
            raise MemoryError

    failed = draw("geneval", metadata(tmp_path), tmp_path / "out", scripted_model(on_update=on_update))
    assert len(failed) == 1 and "00000/samples/0000.png" in failed[0]
    assert len(list((tmp_path / "out").rglob("*.png"))) == 7


def test_a_run_that_broke_off_after_a_sketch_is_no_picture_but_unreadable_words_are_the_models(
    tmp_path: Path,
) -> None:
    process, said = Settings(timesteps=3, max_rounds=2), iter([MemoryError(), None])

    def on_update(index: int) -> None:
        if index == 2 and (error := next(said)):
            raise error

    path, out = metadata(tmp_path), tmp_path / "out"
    runner = RUNNERS["geneval"]
    asked = {"images": 1, "seed": 0}
    for failing in (
        scripted_model(texts=["<ins>Add a cow.</ins><des>A cow.</des>", MemoryError()]),
        scripted_model(texts=["<ins>Add a cow.</ins><des>A cow.</des>", "no inspection"] * 4),
    ):
        told = draw_all(failing, process, runner, runner.read(path)[:1], path, out, **asked)
        drawn = (out / "00000/samples/0000.png").exists()
        assert bool(told) != drawn
    assert not told


def test_a_run_goes_on_with_the_number_of_pictures_it_began_with(tmp_path: Path) -> None:
    path, out, roomy = metadata(tmp_path), tmp_path / "out", scripted_model(max_pictures=8)
    draw("geneval", path, out, scripted_model(max_pictures=6), images=1)
    draw("geneval", path, out, roomy, images=1)
    record = json.loads((out / "restroke.json").read_text())
    assert record["fingerprint"]["pictures"] == "at most 6" and record["most_pictures"] == 6
    with pytest.raises(ValueError, match="--out"):
        draw("geneval", path, out, scripted_model(max_pictures=4), images=1)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("geneval", "no json\n", "line 1"),
        ("geneval", '{"prompt": "a"}\n{"tag": "x"}\n', "line 2.*'prompt'"),
        ("wise", "{}", "no list"),
        ("wise", '[{"prompt_id": 1}]', "entry 1.*'Prompt'"),
        ("wise", '[{"prompt_id": "../x", "Prompt": "a"}]', "prompt_id"),
    ],
)
def test_a_file_that_does_not_fit_says_where(name: str, text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts"
    path.write_text(text)
    with pytest.raises(ValueError, match=says):
        RUNNERS[name].read(path)
