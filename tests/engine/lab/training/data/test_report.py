"""The report: it counts what is in the scripts."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.cases import mismatch_case
from engine.lab.training.data.chains import chain
from engine.lab.training.data.report import OPERATIONS, measure, subsets
from engine.lab.training.data.sampled import write_scripts
from engine.lab.training.data.script import Script
from engine.lab.training.data.split import may_be_told, sample_training_scene
from tests.engine.lab.command_line import restroke


def test_a_row_counts_words_pictures_inspections_and_edits() -> None:
    first, second = Script(), Script()
    for script, places in ((first, ("sea",)), (second, ("sea", "snow", "night"))):
        script.say("Please create the image step-by-step: two words", loss=False, follows="text")
        for place in places:
            script.show(Scene(place), loss=True, follows=None)
    first.tally.update(start=1, positive=1)
    second.tally.update(start=1, move=2, negative=2)
    row = measure("both", [first, second])
    assert (row.samples, row.prompt_words, row.images, row.most_images) == (2, 2, 2, 3)
    assert (row.positive, row.negative) == (1, 2)
    assert row.operations["start"] == row.operations["move"] == 0.5
    assert row.operations["add"] == 0


def test_every_operation_of_a_chain_has_its_column() -> None:
    rng, seen = random.Random(5), set()
    for _ in range(300):
        seen |= {step.operation for step in chain(sample_training_scene(rng), rng, 1.0)}
    assert seen == set(OPERATIONS)


def test_the_command_prints_a_row_for_every_subset(capsys: pytest.CaptureFixture[str]) -> None:
    assert restroke("train", "data-report", "--count", 3, "--seed", 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(subsets())
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == list(subsets())
    assert len({line.count("|") for line in lines}) == 1


def test_scripts_of_own_sketches_are_counted_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = write_scripts(tmp_path, [mismatch_case(random.Random(seed)) for seed in range(6)], 0)
    assert restroke("train", "data-report", "--count", 1, "--sampled", tmp_path) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"| own sketches | {count} |") and count


def test_a_count_below_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        restroke("train", "data-report", "--count", 0)
    assert "from 1 up" in capsys.readouterr().err


def test_no_subset_shows_a_held_out_scene() -> None:
    for name, write in subsets().items():
        rng = random.Random(name)
        assert all(may_be_told(write(rng)) for _ in range(25))


def test_the_pipelines_need_no_torch() -> None:
    rooms = "engine.lab.training.command, engine.lab.training.data.report"
    code = f"import sys, {rooms}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
