"""Wording for temporary changes: a detour on the way to the whole picture, told apart from a fault.

A plan that makes one says so, and the inspection names what a later step will change.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from engine.lab.storybook.language.phrases import sentence, size_word, some, the
from engine.lab.storybook.scene.edits import Edit, Move, Recolour, Remove, Resize, Swap
from engine.lab.storybook.scene.scene import Scene


def for_now(instruction: str) -> str:
    """The instruction, said to be provisional."""
    return instruction.removesuffix(".") + " for now."


def changes_later(now: Scene, edits: Sequence[Edit], rng: random.Random) -> str:
    """What these edits of ``now`` will do in later steps, one sentence each; nothing for no edits.

    Raises ``ValueError`` for an edit that isn't about things that stand.
    """
    return " ".join(sentence(_change(now, edit, rng)) for edit in edits)


def _change(now: Scene, edit: Edit, rng: random.Random) -> str:
    match edit:
        case Recolour(indices, colour):
            turn = "turns" if len(indices) == 1 else "turn"
            return f"{the(now, indices, rng)} {turn} {colour} in a later step"
        case Resize(indices, scale):
            become = "becomes" if len(indices) == 1 else "become"
            return f"{the(now, indices, rng)} {become} {size_word(scale)} in a later step"
        case Swap(indices, kind, colour):
            become = "becomes" if len(indices) == 1 else "become"
            return f"{the(now, indices, rng)} {become} {some(kind, colour, len(indices))} in a later step"
        case Move(index):
            return f"{the(now, (index,), rng)} moves in a later step"
        case Remove(indices):
            go = "goes" if len(indices) == 1 else "go"
            return f"{the(now, indices, rng)} {go} away in a later step"
    raise ValueError(f"no later change of a thing that stands: {edit}")
