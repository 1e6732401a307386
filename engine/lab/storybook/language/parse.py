"""Reading a prompt back into what it asks for, and the words that mean something in this world.

Best effort, for the English of ``language`` and small variations of it; not a grammar of English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from engine.lab.storybook.scene.palette import COLOURS, KINDS
from engine.lab.storybook.scene.scene import Relation

NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "2": 2, "3": 3, "4": 4}
SETTING_WORDS = {
    "night": "night",
    "snow": "snow",
    "snowy": "snow",
    "winter": "snow",
    "sea": "sea",
    "beach": "sea",
    "desert": "desert",
    "meadow": "meadow",
    "hills": "meadow",
}
SIZE_WORDS = {
    "small": "small",
    "little": "small",
    "medium": "medium",
    "large": "large",
    "big": "large",
}
RELATIONS = (
    (re.compile(r"\bleft of\b"), "left of"),
    (re.compile(r"\bright of\b"), "right of"),
    (re.compile(r"\b(above|over)\b"), "above"),
    (re.compile(r"\b(below|under)\b"), "below"),
    (re.compile(r"\bbehind\b"), "behind"),
    (re.compile(r"\bin front of\b"), "in front of"),
)
COLUMNS = (
    (re.compile(r"\bleft\b(?! of)"), 0),
    (re.compile(r"\b(middle|centre)\b"), 1),
    (re.compile(r"\bright\b(?! of)"), 2),
)
GRAMMAR = frozenset(
    re.findall(
        r"\w+",
        """
        a about add again all also an and another are artist as at back background be becomes behind begin
        below above bring but by can centre change come comes complete could dark day do does done draw
        drawn empty erase everything far fits five for four from front good has have hot i image in
        instead into is it its just later left like make me middle mistake missing more move my no not
        nothing now of on one or our over page paint picture place please put remove replace right row
        scene should show shows side six sky so soft some start step take away than that the their them
        then there these they this those three to turn two under up upper lower us want we where which
        will with would wrong yet you low rows sized
        """,
    )
)
"""The small words of the world's English."""


@dataclass(frozen=True)
class Want:
    """``count`` things of a kind; no colour and no ``scale`` mean any.

    ``columns`` are the named ones (0 left to 2 right).
    """

    count: int
    colour: str | None
    kind: str
    columns: tuple[int, ...] = ()
    scale: str | None = None


@dataclass(frozen=True)
class Spec:
    """What a text asks for. Relations point into ``wants``; no background means any."""

    background: str | None
    wants: tuple[Want, ...]
    relations: tuple[Relation, ...]


def parse_prompt(text: str) -> Spec | None:
    """What a prompt asks for, or ``None`` when it names nothing of this world."""
    words = _words(text)
    wants: list[Want] = []
    relations: list[Relation] = []
    last, gap = -1, 0
    for at, word in enumerate(words):
        kind = _kind(word)
        if kind is None:
            continue
        begin, colour, scale = at, None, None
        while begin > gap and (words[begin - 1] in COLOURS or words[begin - 1] in SIZE_WORDS):
            begin -= 1
            colour = words[begin] if words[begin] in COLOURS else colour
            scale = SIZE_WORDS.get(words[begin], scale)
        between = words[gap:begin]
        plural = word != kind
        count = NUMBERS.get(between[-1]) if between else None
        known = _known(wants, kind, colour) if between and between[-1] == "the" else None
        now = len(wants) if known is None else known
        if known is None:
            wants.append(Want(count or (2 if plural else 1), colour, kind, scale=scale))
        if last >= 0:
            name = _relation(" ".join(between))
            if name is not None and now != last:
                relations.append(Relation(last, name, now))
            elif name is None:
                wants[last] = _placed(wants[last], " ".join(between))
        last, gap = now, at + 1
    if last >= 0:
        wants[last] = _placed(wants[last], " ".join(words[gap:]))
    named = [SETTING_WORDS[w] for w in words if w in SETTING_WORDS]
    background = next((b for b in named if b != "meadow"), named[0] if named else None)
    if not wants and background is None:
        return None
    return _merged(background, wants, relations)


def known_words() -> frozenset[str]:
    """Every word that means something in this world, in lower case, plurals among them."""
    kinds = {form for kind in KINDS for form in (kind, kind + "s")}
    return GRAMMAR | kinds | set(COLOURS) | set(SIZE_WORDS) | set(SETTING_WORDS) | set(NUMBERS)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _kind(word: str) -> str | None:
    if word in KINDS:
        return word
    return word[:-1] if word.endswith("s") and word[:-1] in KINDS else None


def _known(wants: list[Want], kind: str, colour: str | None) -> int | None:
    """The want that "the (colour) kind" speaks of; one without a colour has the usual one of its kind."""
    mine = [index for index, want in enumerate(wants) if want.kind == kind]
    named = [index for index in mine if colour in (None, wants[index].colour)]
    usual = [index for index in mine if wants[index].colour is None and colour == KINDS[kind].natural]
    return next(iter(named + usual), None)


def _relation(between: str) -> str | None:
    return next((name for pattern, name in RELATIONS if pattern.search(between)), None)


def _placed(want: Want, after: str) -> Want:
    columns = tuple(column for pattern, column in COLUMNS if pattern.search(after))
    return replace(want, columns=columns) if columns else want


def _merged(background: str | None, wants: list[Want], relations: list[Relation]) -> Spec:
    """Wants of one look counted together."""
    first: dict[tuple[str, str | None], int] = {}
    kept: list[Want] = []
    new: list[int] = []
    for want in wants:
        at = first.setdefault((want.kind, want.colour), len(kept))
        if at == len(kept):
            kept.append(want)
        else:
            kept[at] = replace(kept[at], count=kept[at].count + want.count, columns=())
        new.append(at)
    moved = (Relation(new[r.subject], r.name, new[r.object]) for r in relations)
    return Spec(background, tuple(kept), tuple(dict.fromkeys(r for r in moved if r.subject != r.object)))
