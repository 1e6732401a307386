"""The vocabulary that a storybook checkpoint carries: exactly the words that mean something in its world."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoints.vocabulary import VOCABULARY, read_vocabulary
from engine.core.assets import default_checkpoint
from engine.lab.storybook.language.corpus import corpus
from engine.lab.storybook.language.parse import GRAMMAR, NUMBERS, SETTING_WORDS, SIZE_WORDS
from engine.lab.storybook.scene.palette import COLOURS, KINDS
from engine.lab.training.export import write_vocabulary

SHIPPED = read_vocabulary(default_checkpoint())
TRICKY = (
    "houses",
    "cats",
    "buss",
    "ss",
    "s",
    "House_s",
    "cat's",
    "HOUSES",
    "İ",
    "ﬁve",
    "2",
    "22",
    "tree5",
    "\0",
    "￿",
)


def unknown_by_rule(text: str) -> list[str]:
    """The rule that the file spells out: a word is known by a table, or as a kind with or without an s."""
    found = []
    for word in re.findall(r"[^\W_]+", text.lower()):
        in_a_table = any(word in table for table in (GRAMMAR, COLOURS, SIZE_WORDS, SETTING_WORDS, NUMBERS))
        is_a_kind = word in KINDS or (word.endswith("s") and word[:-1] in KINDS)
        if not in_a_table and not is_a_kind and word not in found:
            found.append(word)
    return found


def test_the_default_checkpoint_carries_what_the_code_writes(tmp_path: Path) -> None:
    """After a change of the world's words: ``write_vocabulary(default_checkpoint())``."""
    write_vocabulary(tmp_path)
    assert (default_checkpoint() / VOCABULARY).read_text() == (tmp_path / VOCABULARY).read_text()
    written = json.loads((tmp_path / VOCABULARY).read_text())
    assert written["world"] == "storybook" and written["words"] == sorted(set(written["words"]))


def test_what_the_world_says_is_known_and_other_words_are_not() -> None:
    rng = random.Random(3)
    for text in corpus(3000, seed=3):
        assert SHIPPED.unknown_words(text) == []
        words = text.split()
        words.insert(rng.randrange(len(words)), rng.choice(("zeppelin", *TRICKY)))
        spoiled = " ".join(words)
        assert SHIPPED.unknown_words(spoiled) == unknown_by_rule(spoiled)
    said = "a tiny unicorn, a red house and a Unicorn in space"
    assert SHIPPED.unknown_words(said) == ["tiny", "unicorn", "space"]


@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from((*TRICKY, *KINDS, *COLOURS, *SIZE_WORDS)))))
def test_any_text_is_judged_by_the_same_rule(pieces: list[str]) -> None:
    text = " ".join(pieces)
    assert SHIPPED.unknown_words(text) == unknown_by_rule(text)
