"""Settings of sessions that are begun while the model is still being opened.

What a model recommends is known only once it is there. Until then such a session keeps what the person chose
and a mark, so that the rest can be filled in later, after a restart too. Values only; nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.core.image_sizes import ImageSizes
from engine.core.settings import Settings
from sessions import Session

WAITING = "waits_for_model"


def waits(session: Session) -> bool:
    """Whether a session's settings are not all known yet."""
    return bool(session.settings.get(WAITING))


def waiting(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What a session keeps until the model is there."""
    return {**chosen, WAITING: True}


def filled(kept: Mapping[str, Any], usual: Settings, offered: Sequence[str], canvas: ImageSizes) -> Settings:
    """The choices of :func:`waiting` with the model's own settings for the rest.

    A way of working or a size that this model doesn't have was chosen for another one, and gives way.
    """
    values = usual.as_dict()
    try:
        wish = Settings.from_dict({**values, **{name: kept[name] for name in kept if name in values}})
    except (TypeError, ValueError):  # choices that fit one by one and not with this model's settings
        return usual
    if wish.protocol not in offered:
        wish = replace(wish, protocol=usual.protocol)
    return replace(wish, height=usual.height, width=usual.width) if canvas.is_fixed else wish
