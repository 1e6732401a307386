"""Which way of working a run goes by: the session's, except where a picture is polished.

Polishing is one turn of the irg protocol on a picture, whatever way of working made it: a reflection,
then the picture drawn again. The session's own settings stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine import protocols
from engine.core.image_sizes import ImageSizes
from engine.core.settings import MOST_TURNS, Settings
from engine.core.trajectory import Step
from engine.protocols.irg import reflections
from studio.validation import RefusedError


def settings_after(path: Sequence[Step], session: Settings, *, polish: bool = False) -> Settings:
    """The settings of a run that goes on from the end of ``path``.

    ``polish`` asks for a reflection on the picture there. A reflection is always followed by its picture,
    so a run from one ends its turn. Raises :class:`RefusedError` after the last turn that is any good.
    """
    if not polish and (session.protocol == "irg" or path[-1].kind != "reflect"):
        return session
    turns = reflections(path) + (2 if polish else 1)
    if turns > MOST_TURNS:
        raise RefusedError(
            f"This picture went through {MOST_TURNS} turns already, as many as Restroke makes. "
            "Polish an earlier picture instead."
        )
    if session.protocol == "irg":
        turns = max(turns, session.turns)
    return replace(session, protocol="irg", turns=turns)


def must_be_offered(settings: Settings, offered: Sequence[str]) -> None:
    """Raises :class:`RefusedError` when the model was not trained for this way of working.

    ``offered`` is empty while the model is still being opened; then nothing can be said yet.
    """
    if offered and settings.protocol not in offered:
        name = settings.protocol
        title = protocols.get(name).title if name in protocols.NAMES else name
        raise RefusedError(
            f"This model was not trained to work in the way “{title}”. Choose another way of working in the "
            "settings, or open Restroke with a model that was. Nothing was lost."
        )


def must_have_something_to_add(settings: Settings, path: Sequence[Step]) -> None:
    """Raises :class:`RefusedError` when a way of working that draws one picture finds it drawn already."""
    if settings.protocol in ("direct", "think") and path[-1].image and not path[-1].is_start:
        title = protocols.get(settings.protocol).title
        raise RefusedError(
            f"The way of working “{title}” has nothing to add after a picture. Choose another one in the "
            "settings, then do this again."
        )


def must_fit(settings: Settings, canvas: ImageSizes | None) -> None:
    """Raises :class:`RefusedError` for a size that the model can't draw. ``canvas``: None while it opens."""
    if settings.size is None or canvas is None:
        return
    try:
        canvas.check(*settings.size)
    except ValueError as error:
        raise RefusedError(
            f"This size doesn't fit: {error}. Choose another one and save again. Nothing was lost."
        ) from error
