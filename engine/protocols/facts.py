"""What a page must know of a protocol to offer the right next thing, so that it keeps no rules of its own.

Protocols are named here as in a session's settings. A name that this version doesn't know is treated as
``process``: such a session opens all the same, and a run of it is refused where runs are started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import protocols
from engine.core.reflection import MOST_TURNS
from engine.core.trajectory import Step
from engine.protocols.base import Protocol, Stop
from engine.protocols.irg import Irg, reflections

if TYPE_CHECKING:
    from engine.core.settings import Settings


@dataclass(frozen=True)
class ProtocolFacts:
    """What is true of a protocol, whatever was made so far."""

    name: str
    title: str
    sentence: str
    round_kinds: tuple[str, ...]
    """The steps of a round, or those up to the first picture where there are no rounds."""
    has_rounds: bool
    """Whether one more round may follow when the model thinks the picture is finished."""
    reflects: bool
    """Whether the settings ``turns`` and ``reflection`` count."""
    starts_from_picture: bool


@dataclass(frozen=True)
class TrajectoryFacts:
    """What is true at the end of a trajectory."""

    next_text: str | None
    """The kind of text that a person may write next; None when there is none."""
    nothing_to_add: bool
    """The picture is drawn, as often as the settings say, and the protocol ends there."""
    may_continue: bool
    """Whether a person may ask for one more round where the model thinks the picture is finished."""
    finished_picture: str | None
    """The id of the picture that the trajectory ends with; None while something else is at its end."""


class TurnsSpentError(ValueError):
    """A picture can't be polished again; ``str(error)`` says why and what to do."""


def protocol_facts(name: str) -> ProtocolFacts:
    """The facts of a protocol."""
    known = _protocol(name)
    return ProtocolFacts(
        name,
        known.title if known.name == name else name,
        known.sentence if known.name == name else "",
        known.round_kinds,
        known.has_rounds,
        known.reflects,
        known.starts_from_picture,
    )


def trajectory_facts(trajectory: Sequence[Step], settings: Settings) -> TrajectoryFacts:
    """The facts at the end of a trajectory, by ``settings.protocol``.

    Raises ``ValueError`` for an empty trajectory.
    """
    protocol = _protocol(settings.protocol)
    follows, tip = protocol.next(trajectory, settings), trajectory[-1]
    last = trajectory[-2] if tip.is_pass else tip
    return TrajectoryFacts(
        next_text=protocol.next_text(tip),
        nothing_to_add=isinstance(follows, Stop) and follows.finished,
        may_continue=protocol.has_rounds and (tip.author == "model" or tip.is_start),
        finished_picture=last.id if last.image else None,
    )


def round_seconds(step_seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds of a round, or of a picture where there are no rounds, by protocol.

    ``step_seconds`` are those of a step by its kind; a protocol whose steps are not all measured is left out.
    """
    kinds = {name: protocols.get(name).round_kinds for name in protocols.NAMES}
    return {
        name: sum(step_seconds[kind] for kind in steps)
        for name, steps in kinds.items()
        if step_seconds.keys() >= set(steps)
    }


def settings_after(trajectory: Sequence[Step], session: Settings, *, polish: bool = False) -> Settings:
    """The settings of a run that goes on from the end of a trajectory: the session's, except for polishing.

    Polishing is one turn of irg on a picture, whatever protocol made it: a reflection, then the picture
    drawn again. ``polish`` asks for one. A reflection is always followed by its picture, so a run from one
    ends its turn. Raises :class:`TurnsSpentError` after the last turn that makes a picture better.
    """
    if not polish and (session.protocol == Irg.name or trajectory[-1].kind != "reflect"):
        return session
    turns = reflections(trajectory) + (2 if polish else 1)
    if turns > MOST_TURNS:
        raise TurnsSpentError(
            f"This picture went through {MOST_TURNS} turns already, as many as Restroke makes. "
            "Polish an earlier picture instead."
        )
    if session.protocol == Irg.name:
        turns = max(turns, session.turns)
    return session.replace(protocol=Irg.name, turns=turns)


def _protocol(name: str) -> Protocol:
    return protocols.get(name if name in protocols.NAMES else "process")
