"""One prompt on the model that ships: the suites fit a real painter, whatever it scores."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from engine.core.assets import default_checkpoint
from engine.core.settings import Settings
from engine.inference.painter import open_painter
from engine.lab.evaluation.cost import GIB
from engine.lab.evaluation.public_benchmarks import RUNNERS, draw_all
from engine.runs.opened_model import with_protocols
from tests.engine.lab.command_line import restroke


def test_the_cost_of_one_real_picture(tmp_path: Path) -> None:
    file, page = tmp_path / "r.json", tmp_path / "r.html"
    wish = ["--suite", "cost", "--protocol", "direct", "--prompts", "1"]
    assert restroke("evaluate", *wish, "--json", str(file), "--report", str(page)) == 0
    report = json.loads(file.read_text())
    cost = {name: figure["mean"] for name, figure in report["cost"]["direct"].items()}
    updates = report["runs"]["cost"]["direct"]["settings"]["timesteps"] - 1
    assert cost["images"] == 1 and cost["updates"] == updates
    assert cost["forwards"] == 2 * updates, "one guidance branch beside the condition"
    assert cost["tokens"] == 0 and cost["seconds"] > 0
    weights = (default_checkpoint() / "ema.safetensors").stat().st_size
    assert weights < cost["peak memory, GiB"] * GIB < 64 * GIB
    assert "seconds, image" in page.read_text()


def test_what_ships_beside_the_weights_was_measured_on_them() -> None:
    folder = default_checkpoint()
    weights = open_painter(folder).fingerprint["checkpoint"]
    examples, report = (
        json.loads((folder / name).read_text()) for name in ("examples.json", "evaluation.json")
    )
    runs = [examples["run"], *(run for suite in report["runs"].values() for run in suite.values())]
    assert {run["fingerprint"]["checkpoint"] for run in runs} == {weights}


def test_a_prompt_of_geneval_is_drawn_where_its_scorer_looks(tmp_path: Path) -> None:
    line = {"tag": "colors", "prompt": "a photo of a red cat"}
    prompts, out, runner = tmp_path / "metadata.jsonl", tmp_path / "out", RUNNERS["geneval"]
    prompts.write_text(json.dumps(line) + "\n")
    model, quick = (
        with_protocols(open_painter(default_checkpoint())),
        Settings(protocol="direct", timesteps=3),
    )
    assert draw_all(model, quick, runner, runner.read(prompts), prompts, out, images=2, seed=0) == []
    assert json.loads((out / "00000/metadata.jsonl").read_text()) == line
    first, second = (Image.open(out / f"00000/samples/000{number}.png") for number in range(2))
    assert (first.height, first.width) == model.image_sizes.usual
    assert len(first.getcolors(first.width * first.height)) > 100 and first.tobytes() != second.tobytes()
