"""A checkpoint's own words for the guided drivers, and the sentences about a file that doesn't fit."""

from __future__ import annotations

import pytest

from engine import protocols
from engine.core.settings import Settings
from engine.protocols.prompts import default_prompts, prompts_of
from tests.engine.protocols.test_protocols import path


def test_a_folder_without_its_own_is_told_the_houses(tmp_path):
    assert prompts_of(tmp_path) == default_prompts()


def test_what_a_folder_says_takes_the_place_and_the_rest_stays(tmp_path):
    (tmp_path / "protocol.toml").write_text(
        '[irg]\nsystem = "Think {{hard}}."\n[process]\nrefine = "Fix: {correction}"\n'
    )
    own = prompts_of(tmp_path)
    assert own["irg"]["system"] == "Think {{hard}}." and own["think"] == default_prompts()["think"]
    grammars = protocols.guided_protocols(own)
    draw = grammars["process"].next(path("plan", "sketch", "fault"), Settings())
    assert draw.parts[-1].text == "Fix: Make it red."
    assert grammars["process"].prompts != protocols.guided_protocols()["process"].prompts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[process", "can't be read"),
        ("[magic]\nx = 'y'", "section 'magic'"),
        ("process = 'x'", "section 'process'"),
        ("[process]\nfirst = 'x'", "process.first; known there"),
        ("[process]\nrefine = 3", "must be words"),
        ("[process]\nrefine = ' '", "must be words"),
        ("[process]\nrefine = 'Fix {thing}'", "place {thing} that nothing fills"),
        ("[process]\nrefine = 'Fix {correction'", "braces in refine don't match"),
    ],
)
def test_a_slip_is_a_sentence_at_the_start(tmp_path, text, why):
    (tmp_path / "protocol.toml").write_text(text)
    with pytest.raises(ValueError) as refused:
        prompts_of(tmp_path)
    assert why in str(refused.value)
