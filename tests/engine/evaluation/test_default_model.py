"""One prompt on the model that ships: the suites fit a real painter, whatever it scores."""

from __future__ import annotations

import json
from pathlib import Path

from engine.evaluation.__main__ import main


def test_the_cost_of_one_real_picture(tmp_path: Path) -> None:
    file, page = tmp_path / "r.json", tmp_path / "r.html"
    wish = ["--suite", "cost", "--protocol", "direct", "--prompts", "1"]
    assert main([*wish, "--json", str(file), "--report", str(page)]) == 0
    report = json.loads(file.read_text())
    cost = {name: figure["mean"] for name, figure in report["cost"]["direct"].items()}
    updates = report["runs"]["cost"]["direct"]["settings"]["timesteps"] - 1
    assert cost["images"] == 1 and cost["updates"] == updates
    assert cost["forwards"] == 2 * updates, "one guidance branch beside the condition"
    assert cost["tokens"] == 0 and cost["seconds"] > 0
    assert "seconds, image" in page.read_text()
