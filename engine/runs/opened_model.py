"""A model that is open: its painter, its protocols, and what a checkpoint says of itself.

Everything that runs, serves or measures a model is given one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import protocols
from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.vocabulary import Vocabulary, read_vocabulary
from engine.core.image_sizes import ImageSizes
from engine.core.settings import PUBLIC, Settings
from engine.protocols.base import Protocol
from engine.protocols.history import MAX_PICTURES
from engine.protocols.prompts import prompts_of

if TYPE_CHECKING:
    from engine.checkpoints.progress import LoadProgress
    from engine.inference.painter import Painter
    from engine.placement.planner import Placement


@dataclass(frozen=True)
class OpenedModel:
    """A painter with the protocols of its checkpoint.

    ``protocols`` are those that the checkpoint offers, by name, each with the driver it needs and showing
    the model no more than ``max_pictures`` at once. ``sampling`` are the settings that the checkpoint
    recommends, ``settings`` the same with the defaults for all others. ``about`` is a line about what runs
    and how fast. ``folder`` is the checkpoint's, ``vocabulary`` the words it knows where it doesn't know all.
    """

    painter: Painter
    protocols: Mapping[str, Protocol]
    title: str
    about: str
    settings: Settings
    max_pictures: int = MAX_PICTURES
    sampling: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    vocabulary: Vocabulary | None = None

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What must be equal for a step to replay to the same bytes."""
        if self.max_pictures >= MAX_PICTURES:
            return dict(self.painter.fingerprint)
        return {**self.painter.fingerprint, "pictures": f"at most {self.max_pictures}"}

    @property
    def image_sizes(self) -> ImageSizes:
        return self.painter.image_sizes

    @property
    def answers(self) -> bool:
        """Whether the model learned to answer questions about a picture."""
        return any(protocol.asks for protocol in self.protocols.values())

    def with_max_pictures(self, pictures: int) -> OpenedModel:
        """The same model, shown no more than this many pictures at once."""
        fewer = protocols.with_max_pictures(self.protocols, pictures)
        return replace(self, protocols=fewer, max_pictures=pictures)


def open_model(
    folder: Path | str,
    *,
    profile: str | None = None,
    precision: str | None = None,
    copy: bool = False,
    loading: LoadProgress | None = None,
) -> OpenedModel:
    """Opens a checkpoint as well as this machine allows, and measures for a moment how fast it is.

    Raises ``CheckpointError`` when it cannot run here, ``LoadingCancelled`` when ``loading`` was cancelled.
    """
    from engine.placement.open import measured_line  # torch takes seconds to import
    from engine.placement.planner import choose_placement

    found = choose_placement(folder, profile=profile, precision=precision)
    model = open_placed(found, copy=copy, loading=loading)
    return replace(model, about=measured_line(found, model.painter, model.title, model.settings))


def open_placed(found: Placement, *, copy: bool = False, loading: LoadProgress | None = None) -> OpenedModel:
    """Opens a checkpoint as it was placed. Raises as :func:`open_model`."""
    from engine.placement.open import load_painter

    painter = load_painter(found, copy=copy, loading=loading)
    return with_protocols(painter).with_max_pictures(found.max_pictures)


def with_protocols(painter: Painter) -> OpenedModel:
    """A painter with the protocols, settings and vocabulary of its checkpoint's folder.

    Raises ``CheckpointError`` when what the folder says of them can't be used.
    """
    checkpoint = painter.checkpoint
    folder, config = checkpoint.folder, checkpoint.extras
    try:
        offered = protocols.protocols_for(config, prompts_of(folder))
    except ValueError as error:
        raise CheckpointError(f"{folder} can't be used: {error}.") from error
    title = f"{config.get('title') or folder.resolve().name} · {painter.device.type.upper()}"
    sampling = dict(config.get("sampling", PUBLIC))
    return OpenedModel(
        painter,
        offered,
        title,
        about=title,
        settings=recommended(sampling, offered),
        sampling=sampling,
        folder=folder,
        vocabulary=read_vocabulary(folder),
    )


def recommended(sampling: Mapping[str, Any], offered: Mapping[str, Protocol]) -> Settings:
    """The settings that a checkpoint recommends, complete, by a protocol that it offers.

    Raises ``CheckpointError`` when they don't fit.
    """
    try:
        usual = Settings.from_dict(sampling)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"its config.json recommends settings that don't fit: {error}. Correct them there."
        ) from error
    return usual if usual.protocol in offered else usual.replace(protocol=next(iter(offered)))
