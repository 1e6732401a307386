"""How thoughts and reflections are written and read: the one place of their text forms.

A reflection is a thought about the picture so far. What follows what is the protocols' business
(:mod:`engine.protocols.think`, :mod:`engine.protocols.irg`). Source: IRG, arXiv 2509.06945.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache

from engine.core.assets import asset
from engine.protocols.base import ParseError, neutral, unquoted


@cache
def texts() -> dict[str, str]:
    """The forms of ``assets/protocols/irg.toml``."""
    with asset("protocols/irg.toml").open("rb") as file:
        return tomllib.load(file)


def prompt_text(prompt: str) -> str:
    """The prompt as the model is shown it before it thinks."""
    return texts()["prompt"].format(prompt=neutral(prompt))


def thought_text(text: str) -> str:
    """A thought or a reflection as the model writes it."""
    return texts()["thought"].format(text=neutral(text))


def reflection(shortcomings: str, improvements: str, guidance: str, picture: str) -> str:
    """The text of a reflection from its four parts.

    They are what falls short, what to improve, how, and the whole picture that comes of it. Not yet wrapped:
    give it to :func:`thought_text`.
    """
    return texts()["reflection"].format(
        shortcomings=shortcomings, improvements=improvements, guidance=guidance, picture=picture
    )


def read_thought(text: str) -> str:
    """The thought in a model's text. Raises :class:`ParseError` when there is none.

    Tolerant: both slash styles, a missing opener or closer, text and quotes around the tags, a tag cut
    off at the end. Of several thoughts the first with words counts; without any tag all of it does.
    """
    text = _CUT_TAG.sub("", text.replace("\0", "").strip())  # no database keeps a nul
    pieces, start = [], 0
    for tag in _TAG.finditer(text):
        pieces.append((text[start : tag.start()], bool(tag["slash"])))
        start = tag.end()
    pieces.append((text[start:], False))
    closed = [piece for piece, is_closed in pieces if is_closed]
    after_opener = [piece for piece, _ in pieces[1:]]
    for piece in (*closed, *after_opener, pieces[0][0]):
        if found := unquoted(piece):
            return found
    raise ParseError("it has no words")


_TAG = re.compile(r"<\s*(?P<slash>[/\\]?)\s*think\s*[/\\]?\s*>", re.IGNORECASE)
_CUT_TAG = re.compile(r"<(?:[/\\]\w*|t|th|thi|thin|think)\s*$", re.IGNORECASE)
