"""Writes text after a context, token by token. Re-encoding the result as a segment is the caller's step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.checkpoints.tokenizer import IM_END, IM_START, SpecialTokens, Tokenizer
from engine.inference.decoding import Steps
from engine.inference.prefill import Context

BROKEN = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Token:
    """One decoding step: the id chosen from ``logits`` [V]; ``finish`` is set on the last step.

    The logits are good until the next step; copy them to keep them.
    On ``eos`` the id is the eos itself and is no part of the text; on ``length`` it is.
    """

    id: int
    logits: Tensor
    finish: Literal["eos", "length"] | None = None


@torch.inference_mode()
def decode(
    steps: Steps,
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
    steps.begin(context, max_new_tokens)
    fed = tokens.bos
    try:
        for number in range(1, max_new_tokens + 1):
            logits = steps.step(fed)
            fed = _choose(logits, temperature, generator)
            if fed == tokens.eos:
                yield Token(fed, logits, "eos")
                return
            yield Token(fed, logits, "length" if number == max_new_tokens else None)
    finally:
        steps.end()


def _choose(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature <= 0 or not torch.isfinite(logits).all():  # an overflow is the painter's to tell of
        return int(logits.argmax())
    chances = torch.softmax(logits.float().cpu() / temperature, dim=-1)
    return int(torch.multinomial(chances, 1, generator=generator))


def readable(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of generated ids: up to the first end marker, after a leading start marker."""
    text = tokenizer.decode(ids).split(IM_END)[0]
    parts = text.split(IM_START)
    return parts[1] if len(parts) > 1 and not parts[0] else parts[0]


class Stream:
    """Turns a growing list of ids into pieces of text that never have to be taken back.

    A character whose bytes are not all there yet is held back.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._ids, self._said = tokenizer, [], 0

    def add(self, token: int) -> str:
        """The new text that ``token`` completes, perhaps none."""
        self._ids.append(token)
        text = readable(self._tokenizer, self._ids)
        if text.endswith(BROKEN):
            return ""
        piece, self._said = text[self._said :], max(len(text), self._said)
        return piece

    def rest(self) -> str:
        """Whatever was held back, broken characters and all."""
        return readable(self._tokenizer, self._ids)[self._said :]
