"""One's own pictures in the public interleaved format: what is read, what it is used for, what is refused."""

from __future__ import annotations

import base64
import io
import json
import random
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from engine.inference.preprocess import Transform
from engine.lab.training.conversations import (
    FLAGS,
    ConversationSampler,
    UnreadableRowError,
    read_conversations,
)
from engine.lab.training.packing import NoisedSplit, TextSplit, VaeSplit, VitSplit


def picture(colour: str = "red") -> str:
    file = io.BytesIO()
    Image.new("RGB", (40, 24), colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def row() -> list[dict]:
    return [
        {"role": "user", "content": "a red page"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "content": "It will be red."},
                {"type": "image", "content": picture()} | dict.fromkeys(FLAGS, True),
                {"type": "text", "content": "Not quite.", "need_loss": False},
                {"type": "image", "content": "data:image/png;base64," + picture(), "need_loss": True},
            ],
        },
    ]


def write(folder: Path, *rows: object, column: str = "conversation", name: str = "a.parquet") -> None:
    values = [value if isinstance(value, str) else json.dumps(value) for value in rows]
    pyarrow.parquet.write_table(pyarrow.table({column: values}), folder / name)


def test_a_row_becomes_turns_with_the_format_s_own_defaults(tmp_path: Path) -> None:
    write(tmp_path, row())
    (turns,) = read_conversations(tmp_path)
    assert [(t.text, t.loss, t.clean, t.seen) for t in turns] == [
        ("a red page", False, False, False),
        ("It will be red.", True, False, False),
        ("", True, True, True),
        ("Not quite.", False, False, False),
        ("", True, False, False),
    ]
    assert turns[2].picture.size == (40, 24) and turns[4].picture.getpixel((3, 3)) == (255, 0, 0)


def test_files_are_read_in_order_and_in_folders(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep", *[row()] * 20, name="b.parquet")
    write(tmp_path, row(), name="a.parquet")
    assert len(list(read_conversations(tmp_path))) == 21


def test_a_picture_comes_noised_then_clean_then_seen(tmp_path: Path) -> None:
    write(tmp_path, row())
    sampler = ConversationSampler(
        list(read_conversations(tmp_path)),
        lambda text: [len(text)],
        lambda pixels: pixels[:, ::8, ::8],
        Transform(64, 16, 16),
        Transform(32, 16, 16),
    )
    splits = sampler.draw("pictures", random.Random(0), torch.Generator())
    kinds = [type(split) for split in splits]
    assert kinds == [TextSplit, TextSplit, NoisedSplit, VaeSplit, VitSplit, TextSplit, NoisedSplit]
    assert [s.loss for s in splits if isinstance(s, TextSplit)] == [False, True, False]
    assert splits[2].latent.shape == (3, 4, 4) and splits[4].pixels.shape == (3, 16, 32)
    assert sampler.draw("pictures", random.Random(1), torch.Generator()) is splits


def test_what_is_not_in_the_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no .parquet files"):
        next(read_conversations(tmp_path))
    write(tmp_path, row(), column="text")
    with pytest.raises(UnreadableRowError, match="no column 'conversation'.*text"):
        next(read_conversations(tmp_path))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"type": "sound", "content": ""}, "sound"),
        ({"type": "image", "content": "%%%"}, "base64"),
        ({"type": "image", "content": base64.b64encode(b"no picture").decode()}, "cannot identify"),
        ({"type": "text"}, "content"),
        ({"type": "text", "content": "x", "need_loss": False}, "nothing to learn"),
    ],
)
def test_a_bad_row_is_named_with_its_number(tmp_path: Path, part: dict, message: str) -> None:
    bad = [{"role": "user", "content": "a page"}, {"role": "assistant", "content": [part]}]
    write(tmp_path, row(), bad)
    rows = read_conversations(tmp_path)
    next(rows)
    with pytest.raises(UnreadableRowError, match=f"a.parquet, row 1: .*{message}"):
        next(rows)
