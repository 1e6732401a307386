"""What a protocol is: the grammar that says which step follows which and what the model is shown.

Pure values and text: no model, no pictures (a picture is only its digest here).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from engine.core.parts import ImagePart, Part, TextPart
from engine.core.trajectory import TEXT_FIELDS, Step
from engine.protocols.history import MAX_PICTURES, truncate_history

if TYPE_CHECKING:
    from engine.core.settings import Settings

TAG = re.compile(r"<\s*(?P<slash>[/\\]?)\s*(?P<name>ins|des|refine)\s*[/\\]?\s*>", re.IGNORECASE)
"""A tag of the process's texts, as models write it."""


COMPLETE = "The model thinks the picture is finished."
"""Why a run ended that the model itself ended; a person may ask for one more round then."""
MODEL_ENDED = (COMPLETE, "The model says that the picture is complete.")
"""The causes, as stored, of runs that the model ended: today's sentence, and that of older sessions."""


@dataclass(frozen=True)
class Write:
    """The model writes a text step of this kind, after these parts.

    ``may_end``: it may say instead that the picture is finished (:meth:`Protocol.parse` gives None).
    """

    kind: str
    parts: tuple[Part, ...]
    may_end: bool = False


@dataclass(frozen=True)
class Draw:
    """The model draws an image step of this kind.

    ``text_free`` and ``image_free`` are what guidance compares with: the same without the newest text,
    and without any picture. ``preset`` holds the protocol's own settings for this picture, by name;
    each holds only where the person left the usual value (:meth:`Settings.with_preset`).
    """

    kind: str
    parts: tuple[Part, ...]
    text_free: tuple[Part, ...]
    image_free: tuple[Part, ...]
    preset: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Choose:
    """The model decides: ``options`` maps what it may predict to the next step's kind, or to ``"end"``."""

    parts: tuple[Part, ...]
    options: Mapping[Literal["text", "image", "end"], str]


@dataclass(frozen=True)
class Stop:
    """Nothing follows. ``finished`` is false when a cap says so rather than the model."""

    reason: str
    finished: bool


class ParseError(ValueError):
    """The model's text does not have the form of its step; ``str(error)`` says what is missing."""


_OPENING = re.compile(r"<(?=\s*[/\\|]*\s*[^\W\d])")
_CLOSING = re.compile(r"(?<=[\w|/\\\"'])>")


def neutral(text: str) -> str:
    """Text as data: what looks like a tag or a special token loses its angle brackets for ‹ and ›.

    ``</ins>`` reads ``‹/ins›`` and ``<|vision_start|>`` reads ``‹|vision_start|›``; ``2 < 3`` and
    ``->`` stay. White space around the text is dropped. Applying it twice changes nothing more.
    """
    return _CLOSING.sub("›", _OPENING.sub("‹", text)).strip()


_QUOTES = '"“”`'


def unquoted(text: str) -> str:
    """Without surrounding white space, and without a pair of quotes or a stray one around it."""
    text = text.strip()
    marks = sum(text.count(mark) for mark in _QUOTES)
    if marks == 2 and text[0] in _QUOTES and text[-1] in _QUOTES:
        return text[1:-1].strip()
    if marks == 1:
        return text.strip(_QUOTES).strip()
    return text


@dataclass(frozen=True, kw_only=True)
class Protocol(ABC):
    """A grammar of trajectories: a value without state, so every answer follows from the trajectory."""

    name: ClassVar[str]
    title: ClassVar[str]
    sentence: ClassVar[str]
    """One plain sentence for the person who picks a protocol."""
    round_kinds: ClassVar[tuple[str, ...]] = ()
    """The steps of a round, or those up to the first picture where there are no rounds."""
    has_rounds: ClassVar[bool] = False
    """Whether one more round may follow when the model thinks the picture is finished."""
    reflects: ClassVar[bool] = False
    """Whether it draws again after a reflection, as often as the settings' ``turns`` say."""
    starts_from_picture: ClassVar[bool] = True
    """Whether a session may begin with a person's picture."""

    asks: Mapping[str, str] | None = None
    """How a question about a picture is put to the model; None: it never learned to answer any."""
    max_pictures: int = MAX_PICTURES
    """The model is never shown more pictures at once; fewer where a small GPU has no room for them."""

    @property
    def driver(self) -> str:
        """How a protocol talks to a model.

        ``native``: a model that was trained on it; ``guided``: one that is asked in our words.
        """
        return "native"

    @property
    def prompts(self) -> str:
        """A short name of the guided driver's prompts, for the recipe: they are part of what made a step."""
        return ""

    @abstractmethod
    def next(
        self, trajectory: Sequence[Step], settings: Settings, chosen: str | None = None
    ) -> Write | Draw | Choose | Stop:
        """What follows the trajectory's last step.

        ``chosen`` is the value of :attr:`Choose.options` that the model decided for, when the answer
        without it was a ``Choose``; or "plan", when a person asked for one more round. It counts only
        where the model may end. Raises ``ValueError`` for an empty trajectory.
        """

    def next_text(self, tip: Step) -> str | None:
        """The kind of text that a person may write after the step ``tip``; None when there is none."""
        return None

    @abstractmethod
    def step_text(self, step: Step) -> str:
        """A text step as the model is shown it."""

    @abstractmethod
    def parse(self, kind: str, text: str) -> dict[str, str] | None:
        """The fields of a step of this kind from the model's text; None: it says that nothing is left to do.

        Raises :class:`ParseError`.
        """

    def repair(self, ask: Write, raw: str, reason: str) -> Write:
        """What the model is asked once more when ``raw`` could not be read: by default the same."""
        return ask

    def parts(self, trajectory: Sequence[Step]) -> tuple[Part, ...]:
        """A trajectory as the model is shown it, one part for each step."""
        return tuple(
            ImagePart(step.image) if step.image else TextPart(self.step_text(step)) for step in trajectory
        )

    def question(self, trajectory: Sequence[Step], question: str) -> tuple[Part, ...]:
        """A person's question about the trajectory's last picture, as the model is shown it.

        As the public model is asked one: what it sees of the picture, then the words. A model that never
        learned to answer is shown the trajectory as it knows it and says of the picture what it would say.
        """
        if self.asks:
            newest = next(step.image for step in reversed(trajectory) if step.image)
            words = self.asks["question"].format(question=neutral(question))
            return (ImagePart(newest, seen_only=True), TextPart(words))
        return self.parts(truncate_history(trajectory, most=self.max_pictures))

    def read_answer(self, text: str) -> str:
        """The words of an answer to a question; "" when there are none."""
        return unquoted(text.replace("\0", ""))

    def truncate_history(self, trajectory: Sequence[Step], settings: Settings) -> list[Step]:
        """The steps of the trajectory that the model is shown."""
        return truncate_history(trajectory, keep_rejected=settings.keep_rejected, most=self.max_pictures)

    def write(self, kind: str, trajectory: Sequence[Step], settings: Settings) -> Write:
        """A ``Write`` after what the model is shown of the trajectory."""
        return Write(kind, self.parts(self.truncate_history(trajectory, settings)))

    def draw(self, kind: str, trajectory: Sequence[Step], settings: Settings) -> Draw:
        """A ``Draw`` after what the model is shown, with what guidance compares with."""
        shown = self.truncate_history(trajectory, settings)
        parts = self.parts(shown)
        newest_text = max(i for i, step in enumerate(shown) if step.kind in TEXT_FIELDS)
        return Draw(
            kind=kind,
            parts=parts,
            text_free=self.parts(shown[:newest_text]),
            image_free=tuple(part for part in parts if isinstance(part, TextPart)),
        )


def images_spent(trajectory: Sequence[Step], settings: Settings) -> Stop | None:
    """The end that the cap on pictures makes, if it is reached."""
    drawn = sum(step.image is not None and not step.is_start for step in trajectory)
    return None if drawn < settings.max_images else limit_reached(settings.max_images, "picture")


def limit_reached(most: int, noun: str) -> Stop:
    """The end at a cap of ``most`` things of this name."""
    things = noun if most == 1 else f"{noun}s"
    return Stop(
        f"The limit of {most} {things} is reached. Raise it in the settings to go on.", finished=False
    )
