"""The ids of the tokens that frame every segment. Pure values; finding them is ``tokenizer``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpecialTokens:
    """``bos``/``eos`` frame a text, ``start_of_image``/``end_of_image`` an image.

    ``end_of_text`` ends a whole trajectory; None when the tokenizer has no such token.
    """

    bos: int
    eos: int
    start_of_image: int
    end_of_image: int
    end_of_text: int | None = None
