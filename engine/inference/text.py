"""Decodes text after a context, token by token. Making a segment of the result is up to the caller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.checkpoints.tokenizer import IM_END, IM_START, SpecialTokens, Tokenizer
from engine.inference.decoding import TokenDecoder
from engine.inference.prefill import Context

BROKEN = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Token:
    """A decoded token: the id chosen from ``logits`` [V]; ``finish`` is set on the last one.

    The logits are valid until the next token; copy them to keep them. On ``eos`` the id is the eos itself,
    which is no part of the text; on ``length`` it is the text's last token.
    """

    id: int
    logits: Tensor
    finish: Literal["eos", "length"] | None = None


@torch.inference_mode()
def decode(
    decoder: TokenDecoder,
    tokens: SpecialTokens,
    context: Context,
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[Token]:
    """Decodes greedily, or samples from softmax(logits / temperature) with a generator of its own.

    Stop iterating to cancel. Raises ``ValueError`` when no token may be made.
    """
    if max_new_tokens < 1:
        raise ValueError("max_new_tokens must be at least 1")
    generator = torch.Generator().manual_seed(seed)
    decoder.begin(context, max_new_tokens)
    token = tokens.bos
    try:
        for number in range(1, max_new_tokens + 1):
            logits = decoder.feed(token)
            token = _choose(logits, temperature, generator)
            if token == tokens.eos:
                yield Token(token, logits, "eos")
                return
            yield Token(token, logits, "length" if number == max_new_tokens else None)
    finally:
        decoder.end()


def _choose(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature <= 0 or not torch.isfinite(logits).all():  # the painter reports an overflow
        return int(logits.argmax())
    chances = torch.softmax(logits.float().cpu() / temperature, dim=-1)
    return int(torch.multinomial(chances, 1, generator=generator))


def readable(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of generated ids: up to the first end marker, after a leading start marker."""
    text = tokenizer.decode(ids).split(IM_END)[0]
    before, *after = text.split(IM_START)
    return after[0] if after and not before else before


class IncrementalDetokenizer:
    """Turns a growing list of ids into pieces of text that never have to be taken back.

    It holds back a character until all its bytes are there.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._length = tokenizer, 0
        self._ids: list[int] = []

    def add(self, token: int) -> str:
        """The new text that ``token`` completes, perhaps none."""
        self._ids.append(token)
        text = readable(self._tokenizer, self._ids)
        if text.endswith(BROKEN):
            return ""
        piece, self._length = text[self._length :], max(len(text), self._length)
        return piece

    def flush(self) -> str:
        """What was held back, broken characters included."""
        return readable(self._tokenizer, self._ids)[self._length :]
