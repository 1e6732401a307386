"""The page of parts: every file that it names is there, and no line is without one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
LINES = [line for line in (HOUSE / "docs/parts.md").read_text().splitlines() if line.startswith("| ")]
PARTS = [line for line in LINES if not line.startswith("| part |")]


@pytest.mark.parametrize("line", PARTS, ids=lambda line: line.split(" |")[0][2:40])
def test_a_part_names_whose_it_is_and_files_that_are_there(line: str) -> None:
    _, of, here, world, _ = (cell.strip() for cell in line.strip("|").split(" |"))
    assert set(of) & set("SR") and set(of) <= set("SR ()")
    named = re.findall(r"`([\w./-]+/[\w.-]+)`", here)
    assert named
    for path in named + re.findall(r"`([\w./-]+/[\w.-]+)`", world):
        assert (HOUSE / path).exists(), path


@pytest.mark.parametrize("line", PARTS, ids=lambda line: line.split(" |")[0][2:40])
def test_what_is_named_in_a_file_is_in_it(line: str) -> None:
    for path, name in re.findall(r"`([\w./-]+\.py)` \(`(\w+)`\)", line):
        assert name in (HOUSE / path).read_text(), f"{path} has no {name}"
