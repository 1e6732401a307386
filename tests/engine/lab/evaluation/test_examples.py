"""Examples: what is tried, how it is ranked, and the file in the checkpoint folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.lab.evaluation import examples, options
from engine.lab.storybook.scene.scene import Scene
from studio.examples import examples_of
from tests.engine.lab.command_line import restroke
from tests.engine.lab.evaluation.test_steering import WorldPainter
from tests.scripted import scripted_model


def row(text: str, right: int, things: int) -> dict:
    return {"text": text, "right": right, "of": 4, "things": things}


def test_the_best_are_those_that_came_out_right_most_and_of_these_the_fullest() -> None:
    rows = [row("a", 4, 1), row("b", 4, 3), row("c", 2, 5), row("d", 0, 5)]
    assert [one["text"] for one in examples.best(rows, 2)] == ["b", "a"]
    assert [one["text"] for one in examples.best(rows, 9)] == ["b", "a", "c"], (
        "never one that never was right"
    )


def test_a_prompt_stands_as_it_would_on_a_button() -> None:
    texts = [text for _, text, _ in examples.cases(12, seed=0)]
    assert all(text[0].isupper() and not text.endswith(".") for text in texts)
    assert not any(text.lower().startswith(examples.ORDERS) for text in texts)


@pytest.mark.parametrize("able", [True, False])
def test_the_command_writes_what_the_studio_reads(
    able: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text, scene = examples.cases(1, seed=0)[0]
    model = scripted_model(WorldPainter(scene if able else Scene("desert"), rounds=1, fault_rounds=()))
    monkeypatch.setattr(options, "model_of", lambda args: replace(model, folder=tmp_path))
    status = restroke("evaluate", "examples", "--prompts", "1", "--images", "2", "--workers", "1")
    assert status == (0 if able else 1)
    if able:
        assert examples_of(tmp_path) == (text,)
        assert json.loads((tmp_path / "examples.json").read_text())["measured"][0]["right"] == 2
    else:
        assert list(tmp_path.iterdir()) == [] and "nothing was written" in capsys.readouterr().err
