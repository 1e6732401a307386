"""The folder's Qwen2 byte-level tokenizer: text to ids and back, and the ids of the framing tokens.

Two ways to encode. :meth:`Tokenizer.encode` is for what people and models write: it knows no special
token, so a typed ``<|im_end|>`` is twelve characters. :meth:`Tokenizer.encode_reference` parses such
strings as the public implementation does; only comparisons with it need that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as FastTokenizer

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.files import read_optional_json

IM_START, IM_END = "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
END_OF_TEXT = "<|endoftext|>"
FRAMING = (IM_START, IM_END, VISION_START, VISION_END)
FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt")

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the tokens around texts and images: ``bos``/``eos``, ``start_of_image``/``end_of_image``.

    ``end_of_text`` ends a whole trajectory; None when the tokenizer has no such token.
    """

    bos: int
    eos: int
    start_of_image: int
    end_of_image: int
    end_of_text: int | None = None


class Tokenizer:
    """``tokens`` are the framing ids, ``size`` the ids in use, ``added`` the tokens this loader appended."""

    def __init__(self, fast: FastTokenizer) -> None:
        known = fast.get_vocab(with_added_tokens=True)
        before = fast.get_vocab_size(with_added_tokens=True)
        self.added = tuple(t for t in FRAMING if t not in known)
        for token in self.added:
            fast.add_special_tokens([AddedToken(token, special=True, normalized=False)])
        self._parsing = fast
        state = json.loads(fast.to_str())
        state["added_tokens"] = []
        self._plain = FastTokenizer.from_str(json.dumps(state))
        self.size_before, self.size = before, fast.get_vocab_size(with_added_tokens=True)
        bos, eos, start, end = (fast.token_to_id(token) for token in FRAMING)
        assert bos is not None and eos is not None and start is not None and end is not None
        self.tokens = SpecialTokens(bos, eos, start, end, end_of_text=fast.token_to_id(END_OF_TEXT))

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """From ``tokenizer.json``, else from ``vocab.json`` and ``merges.txt``.

        Framing tokens the files lack are appended in the public order. Raises ``CheckpointError``.
        """
        try:
            if (folder / "tokenizer.json").is_file():
                return cls(FastTokenizer.from_file(str(folder / "tokenizer.json")))
            return cls(_from_vocabulary(folder))
        except CheckpointError:
            raise
        except Exception as error:  # the library raises bare Exception for every kind of broken file
            raise CheckpointError(
                f"The tokenizer files in {folder} cannot be read ({error}). Copy the whole model folder "
                "again."
            ) from None

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; nothing in it is a control token. No framing tokens are put around it."""
        return self._plain.encode(text, add_special_tokens=False).ids

    def encode_reference(self, text: str) -> list[int]:
        """Ids as the public implementation makes them: special-token strings become special ids."""
        return self._parsing.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens spelled out, spaces untouched."""
        return self._parsing.decode(list(ids), skip_special_tokens=False)


def _from_vocabulary(folder: Path) -> FastTokenizer:
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    if not vocabulary.is_file() or not merges.is_file():
        raise CheckpointError(
            f"{folder} has no tokenizer.json, nor vocab.json with merges.txt. Copy the whole model folder."
        )
    fast = FastTokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    fast.normalizer = normalizers.NFC()
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    fast.decoder = decoders.ByteLevel()
    listed: dict[str, dict[str, Any]] = read_optional_json(folder / "tokenizer_config.json").get(
        "added_tokens_decoder", {}
    )
    for _, entry in sorted(listed.items(), key=lambda item: int(item[0])):
        token = AddedToken(entry["content"], special=bool(entry.get("special")), normalized=False)
        (fast.add_special_tokens if token.special else fast.add_tokens)([token])
    return fast
