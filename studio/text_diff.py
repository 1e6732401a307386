"""Words about a change: what was rewritten, what the old thing was, what a new branch is called.

Pure text in, pure text out. What comes out is still a person's text: shown, never parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from engine.core.trajectory import NOUNS, Step

_SMALL = frozenset(
    re.findall(
        r"\w+",
        """a an and the of in on at to by with left right above below behind front near under over is are it
        its add paint draw put make then that this there next for from into stands sits""",
    )
)
LONGEST = 32
LONG = 600
"""In a text of more words those that are everywhere find no partners: mere signs took half a minute."""
MOST_WORDS = 3
"""In the name of a thing that is found by reading on: "small red house"."""


def _words(text: str) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text)


def marks(old: str, new: str) -> list[tuple[str, bool]]:
    """The new text in pieces, each with whether it was changed; joined they are the new text."""
    before, after = _words(old), _words(new)
    if len(before) > 1500 or len(after) > 1500:
        return [(new, False)]
    pieces: list[tuple[str, bool]] = []
    for changed, _, _, start, end in _spans(before, after):
        if start < end:
            pieces.append(("".join(after[start:end]), changed))
    return pieces


def _spans(before: list[str], after: list[str]) -> list[tuple[bool, int, int, int, int]]:
    """What changed and what did not, in turn; changes with nothing but blanks between them are one."""
    spans: list[tuple[bool, int, int, int, int]] = []
    matcher = SequenceMatcher(None, before, after, autojunk=len(after) > LONG)
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        changed = what != "equal"
        if changed and len(spans) > 1 and not "".join(after[spans[-1][3] : spans[-1][4]]).strip():
            spans.pop()
            _, i1, _, j1, _ = spans.pop()
        spans.append((changed, i1, i2, j1, j2))
    return spans


def _thing(words: list[str], start: int, end: int) -> str:
    """The changed words with those after them that finish the name of a thing ("red" → "red house")."""
    kept = [w for w in words[start:end] if _tells(w)]
    for word in words[end:] if kept else ():
        if len(kept) >= MOST_WORDS or not (word.isspace() or _tells(word)):
            break
        kept += [] if word.isspace() else [word]
    return " ".join(kept)


def _tells(word: str) -> bool:
    return bool(re.match(r"\w", word)) and word.lower() not in _SMALL


def changed_things(old: str, new: str) -> tuple[str, str]:
    """("red house", "blue house"): what the first change was about, before and after. Empty when unclear."""
    before, after = _words(old), _words(new)
    if len(before) > 1500 or len(after) > 1500:
        return "", ""
    for changed, i1, i2, j1, j2 in _spans(before, after):
        if not changed:
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


def branch_name(taken: Iterable[str], wanted: str) -> str:
    """``wanted``, short, on one line and not yet taken."""
    wanted = " ".join(wanted.split())
    name = wanted if len(wanted) <= LONGEST else wanted[: LONGEST - 1].rstrip() + "…"
    used, number, free = set(taken), 2, name
    while free in used:
        free, number = f"{name} {number}", number + 1
    return free


def edit_name(old: Step, fields: Mapping[str, str]) -> str:
    """What the branch of an edit is called: the new thing, else the step that was rewritten."""
    if old.kind == "inspect" and old.fields["correction"] and not fields["correction"].strip():
        return "accepted as it is"
    new = Step(old.parent, old.kind, "person", dict(fields), recipe=old.recipe)
    return step_change(old, new)[1] or f"another {NOUNS[old.kind]}"
