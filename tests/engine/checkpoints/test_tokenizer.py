"""Text to ids: what is control and what is only text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.tokenizer import Tokenizer
from tests.tiny import CKPT, FOLDER

CASES = json.loads((FOLDER / "golden" / "tokens.json").read_text())["cases"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(CKPT)


@pytest.mark.parametrize("marker", ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|endoftext|>"])
def test_typed_markers_are_plain_text(tokenizer: Tokenizer, marker: str) -> None:
    ids = tokenizer.encode(f"a {marker} b")
    special = tokenizer.tokens
    assert not set(ids) & {special.bos, special.eos, special.start_of_image, special.end_of_text}
    assert tokenizer.decode(ids) == f"a {marker} b"
    assert len(tokenizer.encode_reference(marker)) == 1


@given(st.text(max_size=40))
def test_plain_text_survives(text: str) -> None:
    import unicodedata

    loaded = Tokenizer.load(CKPT)
    assert loaded.decode(loaded.encode(text)) == unicodedata.normalize("NFC", text)


def test_the_slow_files_give_the_same_ids(tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copy(CKPT / name, tmp_path)
    slow = Tokenizer.load(tmp_path)
    assert [slow.encode_reference(c["text"]) for c in CASES] == [c["ids"] for c in CASES]


def test_missing_framing_tokens_are_appended_in_order(tmp_path: Path) -> None:
    saved = json.loads((CKPT / "tokenizer.json").read_text())
    saved["added_tokens"] = [
        t for t in saved["added_tokens"] if t["content"] in ("<|endoftext|>", "<|im_start|>")
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps(saved))
    loaded = Tokenizer.load(tmp_path)
    assert loaded.added == ("<|im_end|>", "<|vision_start|>", "<|vision_end|>")
    special = loaded.tokens
    assert [special.bos, special.eos, special.start_of_image, special.end_of_image] == [561, 562, 563, 564]
    assert (loaded.size_before, loaded.size) == (562, 565)
    assert loaded.encode_reference("<|im_end|>") == [562] and len(loaded.encode("<|im_end|>")) > 1


def test_no_tokenizer_at_all_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no tokenizer.json, nor vocab.json"):
        Tokenizer.load(tmp_path)
