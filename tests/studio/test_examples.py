"""The first page's examples: the checkpoint's own where it has some, the house's otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.examples import EXAMPLES, examples_of


def test_a_checkpoint_brings_its_own(tmp_path: Path) -> None:
    (tmp_path / "examples.json").write_text(json.dumps({"examples": ["A red cat", "A blue dog"], "run": {}}))
    assert examples_of(tmp_path) == ("A red cat", "A blue dog")


@pytest.mark.parametrize(
    "text", [None, "{", "[]", "{}", '{"examples": []}', '{"examples": [1]}', '{"examples": "x"}']
)
def test_the_house_has_some_for_every_other(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "examples.json").write_text(text)
    assert examples_of(tmp_path) == EXAMPLES == examples_of(None)
