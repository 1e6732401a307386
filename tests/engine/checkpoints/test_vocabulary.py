"""``vocabulary.json``: what a checkpoint folder says about the words that its model knows."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from engine.checkpoints.files import HASHED
from engine.checkpoints.vocabulary import VOCABULARY, Vocabulary, read_vocabulary

GOOD = {"version": 1, "world": "garden", "words": ["a", "rose", "roses", "été"]}


def test_words_are_read_and_unknown_ones_named_once_in_order(tmp_path: Path) -> None:
    (tmp_path / VOCABULARY).write_text(json.dumps(GOOD), encoding="utf-8")
    found = read_vocabulary(tmp_path)
    assert found == Vocabulary("garden", frozenset(GOOD["words"]))
    assert found.unknown_words("A tulip, two_Roses: a TULIP in été!") == ["tulip", "two", "in"]
    assert found.unknown_words("") == []


def test_a_folder_without_one_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_vocabulary(tmp_path) is None
    assert read_vocabulary(tmp_path / "missing") is None
    assert not caplog.records


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'{"words": ["a"]}',
        b'{"version": 2, "world": "garden", "words": ["a"]}',
        b'{"version": 1, "world": 7, "words": ["a"]}',
        b'{"version": 1, "world": "garden", "words": "a rose"}',
        b'{"version": 1, "world": "garden", "words": ["a", ["rose"]]}',
    ],
)
def test_a_broken_one_is_logged_and_stops_nothing(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / VOCABULARY).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_vocabulary(tmp_path) is None
    assert VOCABULARY in caplog.text


def test_a_folder_of_that_name_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / VOCABULARY).mkdir()
    assert read_vocabulary(tmp_path) is None
    assert VOCABULARY in caplog.text


def test_it_is_no_part_of_the_digest() -> None:
    assert VOCABULARY not in HASHED
