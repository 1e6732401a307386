"""Which protocol a run goes by, and what is refused because the model or the protocol doesn't have it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.image_sizes import ImageSizes
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.protocols.facts import TurnsSpentError, protocol_facts, settings_after, trajectory_facts
from engine.runs.opened_model import OpenedModel
from studio.commands.messages import RefusedError


def settings_for_run(
    path: Sequence[Step], session: Settings, model: OpenedModel | None, *, polish: bool = False
) -> Settings:
    """The settings of a run from the end of ``path``: the session's, except where a picture is polished.

    Raises :class:`RefusedError` after the last turn of polishing that is any good, and where the model wasn't
    trained to work so. ``model``: None while it is being opened.
    """
    try:
        settings = settings_after(path, session, polish=polish)
    except TurnsSpentError as error:
        raise RefusedError(str(error)) from error
    must_be_offered(settings, model)
    return settings


def must_be_offered(settings: Settings, model: OpenedModel | None) -> None:
    """Raises :class:`RefusedError` when the model wasn't trained for this protocol.

    ``model``: None while it is being opened; then nothing can be said yet.
    """
    if model and settings.protocol not in model.protocols:
        title = protocol_facts(settings.protocol).title
        raise RefusedError(
            f"This model was not trained to work in the way “{title}”. Choose another way of working in the "
            "settings, or open Restroke with a model that was. Nothing was lost."
        )


def must_have_something_to_add(settings: Settings, path: Sequence[Step]) -> None:
    """Raises :class:`RefusedError` when a protocol that draws one picture finds it drawn already."""
    facts = protocol_facts(settings.protocol)
    if path[-1].image and not facts.reflects and trajectory_facts(path, settings).nothing_to_add:
        raise RefusedError(
            f"The way of working “{facts.title}” has nothing to add after a picture. Choose another one in "
            "the settings, then do this again."
        )


def must_fit(settings: Settings, sizes: ImageSizes | None) -> None:
    """Raises :class:`RefusedError` for a size that the model can't draw. ``sizes``: None while it opens."""
    if settings.size is None or sizes is None:
        return
    try:
        sizes.check(*settings.size)
    except ValueError as error:
        raise RefusedError(
            f"This size doesn't fit: {error}. Choose another one and save again. Nothing was lost."
        ) from error
