"""Truncates a long trajectory to the history that the model is shown. The steps themselves stay as they are.

Quality stays level up to about 20 pictures in a context and falls apart after that (UniLongGen, arXiv
2603.07540); a small GPU has room for fewer. So the prompt, the accepted pictures and the last
round stay, rejected sketches may go, and when there are still too many pictures the oldest rounds go,
several at once: every change near the root costs the whole context's prefill, so it should be rare.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.trajectory import Step, round_numbers

MAX_PICTURES = 20
"""More pictures than this are never shown to the model at once."""
DROP_AT_ONCE = 8
"""So many pictures leave the history together when it is full, or half of what a smaller one holds."""


def truncate_history(
    trajectory: Sequence[Step], *, keep_rejected: bool = True, most: int = MAX_PICTURES
) -> list[Step]:
    """The steps of a trajectory that the model is shown, in order.

    Without ``keep_rejected``, a sketch of an earlier round that was drawn again leaves with the inspection
    that rejected it. Above ``most`` pictures they leave anyway, then the oldest rounds do, whole, and at last
    such a sketch of the last round. The prompt, a picture the trajectory starts from and the newest one stay.
    """
    rounds = round_numbers(trajectory)
    kept = list(zip(trajectory, rounds, strict=True))
    if not kept:
        return []
    if not keep_rejected or _pictures(kept) > most:
        gone = _rejected(kept)
        kept = [pair for pair in kept if pair[0].id not in gone]
    too_many = _pictures(kept) - most
    if too_many > 0:
        at_once = max(1, min(DROP_AT_ONCE, most // 2))
        leave = -(-too_many // at_once) * at_once
        first = _first_kept_round(kept, leave)
        kept = [pair for pair in kept if pair[1] == 0 or pair[1] >= first]
    if _pictures(kept) > most:
        gone = _rejected(kept, last_too=True)
        kept = [pair for pair in kept if pair[0].id not in gone]
    return [step for step, _ in kept]


def pictures_in_history(
    trajectory: Sequence[Step], *, keep_rejected: bool = True, most: int = MAX_PICTURES
) -> int:
    """How many pictures the model is shown after this trajectory."""
    shown = truncate_history(trajectory, keep_rejected=keep_rejected, most=most)
    return sum(step.image is not None for step in shown)


Numbered = Sequence[tuple[Step, int]]


def _pictures(steps: Numbered) -> int:
    return sum(step.image is not None for step, _ in steps)


def _rejected(steps: Numbered, *, last_too: bool = False) -> set[str]:
    """Sketches of earlier rounds that another picture of their round replaced, and their inspections."""
    last = steps[-1][1]
    newest = {number: step.id for step, number in steps if step.image}
    gone: set[str] = set()
    for (step, number), (after, _) in zip(steps, [*steps[1:], (None, 0)], strict=True):
        if number > 0 and (last_too or number < last) and step.image and newest[number] != step.id:
            gone.add(step.id)
            if after is not None and after.is_fault:
                gone.add(after.id)
    return gone


def _first_kept_round(steps: Numbered, leave: int) -> int:
    """The first round that stays when at least ``leave`` pictures of the oldest ones go.

    At most that of the newest picture: without any, the next one would not go on from it.
    """
    newest, gone, first = max(number for step, number in steps if step.image), 0, 1
    while first < newest and gone < leave:
        gone += sum(step.image is not None for step, number in steps if number == first)
        first += 1
    return first
