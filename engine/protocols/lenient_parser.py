"""Reads what a model wrote that was only asked for a form, and never trained on it.

Tolerant of what such models do: labels in other words, cases and order, Markdown, numbered lists, one line
for all, JSON, the tags of the native driver, talk around the answer. Not of guessing: an answer without any
sign of its parts is no answer, so that nonsense is never painted.
"""

from __future__ import annotations

import json
import re

from engine.protocols.base import TAG, ParseError, unquoted

_NAMES = {
    "instruction": ("do next", "do now", "do", "instruction", "next step", "next", "step", "paint", "action"),
    "description": ("the whole picture then", "whole picture", "the picture", "picture", "description"),
    "verdict": ("verdict", "judgement", "judgment", "assessment", "result"),
    "correction": ("what to fix", "fix", "correction", "refine", "change"),
}
_FIELD = {name: field for field, names in _NAMES.items() for name in names}
_TAGS = {"ins": "instruction", "des": "description", "refine": "correction"}
_WORDS = "|".join(
    sorted((re.escape(name).replace(r"\ ", r"[\s_]+") for name in _FIELD), key=len, reverse=True)
)
_DRESS = r"[\s>*_#`\-•\d.)(]*"  # Markdown, bullets and numbers before a label
_LABEL = re.compile(
    rf"(?:^{_DRESS}(?P<line>{_WORDS})\s*[*_`]*\s*[:：=][*_`]*)|(?-i:\b(?P<inline>DO|PICTURE|VERDICT|FIX)\s*:)",
    re.IGNORECASE | re.MULTILINE,
)
_DONE = re.compile(
    r"\W*(?:do\s*:\s*)?(?:done|complete|completed|finished|(?:the )?picture is (?:complete|finished|done)"
    r"|nothing(?: more| else| left)?(?: to (?:do|paint|add))?)\W*(?:\n|$)",
    re.IGNORECASE,
)
_DONE_AT_LAST = re.compile(r"\bDONE\W*$")
_NOTHING = re.compile(
    r"\W*(?:there(?:['’]s| is) )?(?:nothing|none|no (?:fix|change|changes|correction)|n/?a|not needed)\b",
    re.IGNORECASE,
)
_FINE = re.compile(r"\W*no (?:mistakes?|contradictions?|issues?|problems?|errors?|faults?)\b", re.IGNORECASE)
_PLACE = r"(?![\s-]+(?:side|half|hand|edge|part|corner)\b)"
"""Behind "right": then a place is meant, not a verdict."""
_RIGHT = re.compile(
    rf"\W*(?:right\b{_PLACE}|(?:correct|yes|ok|okay|good|true|pass|passed)\b)[\s,.:;!*–—-]*", re.IGNORECASE
)
_ECHO = re.compile(r"\W*right or wrong\b", re.IGNORECASE)
"""The form that was asked for, given back as it was."""
_WRONG = re.compile(
    r"\W*(?:wrong|incorrect|no|not (?:right|correct)|false|fail|failed)\b[\s,.:;!*–—-]*", re.IGNORECASE
)


def says_done(text: str) -> bool:
    """Whether an answer to the question for a plan is that nothing is left to do."""
    plain = _plain(text)
    return bool(_DONE.match(plain) or (_DONE_AT_LAST.search(plain) and not _parts(text)))


def read_plan(text: str) -> dict[str, str]:
    """What to do, and the whole picture then (may be empty). Raises :class:`ParseError`."""
    parts = _parts(text)
    if not parts.get("instruction"):
        raise ParseError(_lacks(text, "what to do next"))
    return {"instruction": parts["instruction"], "description": parts.get("description", "")}


def read_inspection(text: str) -> dict[str, str]:
    """A verdict, and what to fix if it finds a fault. Raises :class:`ParseError`.

    A verdict that says RIGHT asks for no fix, whatever follows; one that says WRONG must say what to change.
    """
    parts = _parts(text)
    verdict = parts.get("verdict", "") or _bare_verdict(_plain(text))
    fix = parts.get("correction", "")
    fix = "" if _NOTHING.match(fix) or not re.search(r"\w", fix) else fix
    verdict = "" if _ECHO.match(verdict) else verdict
    if not verdict and not fix:
        raise ParseError(_lacks(text, "a verdict"))
    if _FINE.match(verdict) and not fix:
        return {"verdict": verdict, "correction": ""}
    if _RIGHT.match(verdict):
        return {"verdict": _rest(_RIGHT, verdict, "It is right."), "correction": ""}
    if _WRONG.match(verdict):
        if not fix:
            raise ParseError("it finds a fault and doesn't say what to change")
        verdict = _rest(_WRONG, verdict, "It is wrong.")
    return {"verdict": verdict, "correction": fix}


def _plain(text: str) -> str:
    """Without what no database keeps, and without a fence around it."""
    return re.sub(r"^\s*```\w*\s*|\s*```\s*$", "", text.replace("\0", "")).strip()


def _parts(text: str) -> dict[str, str]:
    """The parts by field name, from the first form that is there: JSON, tags, labels."""
    text = _plain(text)
    return _json_parts(text) or _tag_parts(text) or _label_parts(text)


def _json_parts(text: str) -> dict[str, str]:
    begin, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[begin : end + 1]) if 0 <= begin < end else None
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    named = {_FIELD.get(_key(str(key))): value for key, value in found.items()}
    return {field: unquoted(value) for field, value in named.items() if field and isinstance(value, str)}


def _tag_parts(text: str) -> dict[str, str]:
    """The tags of the native driver; each text runs to the next tag."""
    tags = list(TAG.finditer(text))
    parts: dict[str, str] = {}
    if tags and (before := unquoted(text[: tags[0].start()])):
        parts["verdict"] = before
    for tag, rest in _with_rest(tags, text):
        piece = unquoted(rest)
        if not tag["slash"] and piece:
            parts.setdefault(_TAGS[tag["name"].lower()], piece)
    return parts


def _label_parts(text: str) -> dict[str, str]:
    """Labels and what stands behind each; of two with the same meaning the first with words counts."""
    parts: dict[str, str] = {}
    for label, rest in _with_rest(list(_LABEL.finditer(text)), text):
        piece = unquoted(re.sub(r"^[\s*_`]+|[\s*_`]+$", "", rest))
        if piece:
            parts.setdefault(_FIELD[_key(label["line"] or label["inline"])], piece)
    return parts


def _with_rest(marks: list[re.Match[str]], text: str) -> list[tuple[re.Match[str], str]]:
    """Every mark with the text behind it, as far as the next one."""
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    return [(mark, text[mark.end() : end]) for mark, end in zip(marks, ends, strict=False)]


def _key(name: str) -> str:
    return re.sub(r"[\s_]+", " ", name.strip().lower())


def _bare_verdict(text: str) -> str:
    """An answer without a label that begins with a clear word is a verdict as far as its next label."""
    if not (_RIGHT.match(text) or _WRONG.match(text)):
        return ""
    label = _LABEL.search(text)
    return unquoted(text[: label.start()] if label else text)


def _rest(word: re.Pattern[str], verdict: str, otherwise: str) -> str:
    """The verdict without its leading word, as a sentence."""
    rest = word.sub("", verdict, count=1).strip()
    return rest[0].upper() + rest[1:] if re.search(r"\w", rest) else otherwise


def _lacks(text: str, what: str) -> str:
    return f"it has nothing that says {what}" if text.strip("\0 \t\r\n") else "it is empty"
