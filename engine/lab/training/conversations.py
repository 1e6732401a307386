"""Reads one's own pictures: a folder of parquet files in the public interleaved format.

A row's ``conversation`` is JSON: a user's text, then the assistant's parts, each ``{type: text|image,
content, need_loss, need_vae, need_vit}`` with pictures in base64 (as IRG's toy
dataset is). Unless a part says otherwise, the user's text has no loss, the assistant's has, and a picture is
used for nothing.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import torch
from PIL import Image
from torch import Tensor

from engine.inference.preprocess import Transform, to_rgb
from engine.lab.training.packing import NoisedSplit, Split, TextSplit, VaeSplit, VitSplit


@dataclass(frozen=True)
class Turn:
    """A text, or a picture and what it is for: a target, a clean condition, something seen."""

    text: str = ""
    picture: Image.Image | None = None
    loss: bool = False
    clean: bool = False
    seen: bool = False


class UnreadableRowError(ValueError):
    """A row that is not in the format; the message names file and row."""


def read_conversations(folder: Path) -> Iterator[list[Turn]]:
    """All rows of all ``*.parquet`` files under ``folder``, in order of their names.

    Raises ``FileNotFoundError`` when there are none, and :class:`UnreadableRowError` for the first row that
    is in another form.
    """
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        raise FileNotFoundError(f"{folder} has no .parquet files; give a folder in the interleaved format")
    for path in files:
        table = parquet.ParquetFile(path)
        if "conversation" not in table.schema_arrow.names:
            names = ", ".join(table.schema_arrow.names)
            raise UnreadableRowError(f"{path} has no column 'conversation', only {names}")
        number = 0
        for batch in table.iter_batches(batch_size=16, columns=["conversation"]):
            for value in batch.column(0).to_pylist():
                try:
                    yield read_conversation(value)
                except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
                    raise UnreadableRowError(f"{path}, row {number}: {error!r}") from error
                number += 1


def read_conversation(value: str | list[dict[str, Any]]) -> list[Turn]:
    """One ``conversation`` value -> its turns. Raises ``ValueError`` naming what is wrong."""
    turns: list[Turn] = []
    for item in json.loads(value) if isinstance(value, str) else value:
        if item["role"] == "user" and isinstance(item["content"], str):
            turns.append(Turn(item["content"], loss=bool(item.get("need_loss", False))))
            continue
        parts = item["content"]
        for part in [{"type": "text", "content": parts}] if isinstance(parts, str) else parts:
            turns.append(read_part(part, loss=item["role"] == "assistant"))
    if not any(turn.loss for turn in turns):
        raise ValueError("nothing in this conversation has need_loss, so there is nothing to learn")
    return turns


def read_part(part: dict[str, Any], *, loss: bool) -> Turn:
    """One part; ``loss`` is what a text without ``need_loss`` has."""
    if part["type"] == "text":
        return Turn(part["content"], loss=bool(part.get("need_loss", loss)))
    if part["type"] != "image":
        raise ValueError(f"a part has the type {part['type']!r}; it must be text or image")
    content = part["content"]
    try:
        data = base64.b64decode(content.split(",", 1)[-1], validate=True)
    except binascii.Error as error:
        raise ValueError(f"a picture is not base64: {error}") from None
    loss, clean, seen = (bool(part.get(name)) for name in FLAGS)
    with Image.open(io.BytesIO(data)) as picture:
        return Turn(picture=to_rgb(picture), loss=loss, clean=clean, seen=seen)


FLAGS = ("need_loss", "need_vae", "need_vit")


class ConversationSampler:
    """Draws samples from conversations. Pictures are encoded when first drawn, then kept.

    Args:
        encode: text to ids without bos and eos.
        encode_picture: pixels [3, H, W] in [-1, 1] to scaled latents [z, h, w].
        target, look: the resize rules of targets and of what the vision encoder sees.
    """

    def __init__(
        self,
        conversations: Sequence[list[Turn]],
        encode: Callable[[str], Sequence[int]],
        encode_picture: Callable[[Tensor], Tensor],
        target: Transform,
        look: Transform,
    ) -> None:
        self._conversations = conversations
        self._encode, self._encode_picture = encode, encode_picture
        self._target, self._look = target, look
        self._made: dict[int, list[Split]] = {}

    def draw(self, family: str, rng: random.Random, generator: torch.Generator) -> list[Split]:
        """One conversation by lot. ``family`` and ``generator`` are the loop's; there is one family here."""
        index = rng.randrange(len(self._conversations))
        if index not in self._made:
            self._made[index] = [s for turn in self._conversations[index] for s in self.splits(turn)]
        return self._made[index]

    def splits(self, turn: Turn) -> list[Split]:
        """A turn's splits; a picture comes noised, then clean, then seen, as far as it is wanted."""
        if turn.picture is None:
            return [TextSplit(self._encode(turn.text), turn.loss, droppable=not turn.loss)]
        found: list[Split] = []
        if turn.loss or turn.clean:
            latent = self._encode_picture(self._target.pixels(turn.picture))
            found += [NoisedSplit(latent)] if turn.loss else []
            found += [VaeSplit(latent, droppable=True)] if turn.clean else []
        if turn.seen:
            found.append(VitSplit(self._look.pixels(turn.picture)))
        return found
