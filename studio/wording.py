"""Words about a change: what was rewritten, what the old thing was, what a new branch is called.

Pure text in, pure text out. What comes out is still a person's text: shown, never parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from engine.trajectory import NOUNS, Step

_SMALL = frozenset(
    re.findall(
        r"\w+",
        """a an and the of in on at to by with left right above below behind front near under over is are it
        its add paint draw put make then that this there next for from into stands sits""",
    )
)
LONGEST = 32


def _words(text: str) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text)


def marks(old: str, new: str) -> list[tuple[str, bool]]:
    """The new text in pieces, each with whether it was changed; joined they are the new text."""
    before, after = _words(old), _words(new)
    if len(before) > 1500 or len(after) > 1500:
        return [(new, False)]
    pieces: list[tuple[str, bool]] = []
    for what, _, _, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if start < end:
            pieces.append(("".join(after[start:end]), what != "equal"))
    return pieces


def _thing(words: list[str], start: int, end: int) -> str:
    """The changed words with the word after them when they alone don't name a thing ("red" → "red house")."""
    kept = [w for w in words[start:end] if w.strip() and w.lower() not in _SMALL and re.match(r"\w", w)]
    if not kept:
        return ""
    if len(kept) == 1 and end + 1 < len(words) and words[end].isspace():
        following = words[end + 1]
        if re.match(r"\w", following) and following.lower() not in _SMALL:
            kept.append(following)
    return " ".join(kept)


def changed_things(old: str, new: str) -> tuple[str, str]:
    """("red house", "blue house"): what the first change was about, before and after. Empty when unclear."""
    before, after = _words(old), _words(new)
    if len(before) > 1500 or len(after) > 1500:
        return "", ""
    for what, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        was, now = _thing(before, i1, i2), _thing(after, j1, j2)
        if was or now:
            return was if len(was) <= LONGEST else "", now if len(now) <= LONGEST else ""
    return "", ""


def step_change(old: Step, new: Step) -> tuple[str, str]:
    """As :func:`changed_things`, over the fields of two text steps."""
    for name in new.fields:
        was, now = changed_things(old.fields.get(name, ""), new.fields[name])
        if was or now:
            return was, now
    return "", ""


def branch_name(taken: Iterable[str], wish: str) -> str:
    """``wish``, short, on one line and not yet taken."""
    wish = " ".join(wish.split())
    name = wish if len(wish) <= LONGEST else wish[: LONGEST - 1].rstrip() + "…"
    used, number, free = set(taken), 2, name
    while free in used:
        free, number = f"{name} {number}", number + 1
    return free


def edit_name(old: Step, fields: Mapping[str, str]) -> str:
    """What the branch of an edit is called: the new thing, else the stage that was rewritten."""
    if old.kind == "inspect" and old.fields["correction"] and not fields["correction"].strip():
        return "accepted as it is"
    new = Step(old.parent, old.kind, "person", dict(fields), recipe=old.recipe)
    return step_change(old, new)[1] or f"another {NOUNS[old.kind]}"
