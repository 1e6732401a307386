"""What a person can set for a run, with the defaults that Restroke recommends."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.core.reflection import MOST_TURNS, REFLECTIONS

PUBLIC: Mapping[str, Any] = {
    "timesteps": 50,
    "guidance": 4.0,
    "interval_low": 0.4,
    "shift": 3.0,
    "max_tokens": 1000,
    "max_seconds": 3600.0,
    "keep_rejected": False,
}
"""What suits a checkpoint of the public release, which recommends no settings itself.

The defaults of its own scripts, no rejected sketches in its history, and an hour for a run: its pictures may
take minutes each.
"""

Number = int | float
"""An int stays an int: the hash of a step tells 3 from 3.0."""


def _whole(default: int, low: int, high: int) -> Any:
    return Field(default, ge=low, le=high, description=f"a whole number between {low} and {high}")


def _number(default: float, low: float, high: float) -> Any:
    return Field(default, ge=low, le=high, description=f"a number between {low:g} and {high:g}")


def _one_of(default: str, *names: str) -> Any:
    pattern = f"^({'|'.join(names)})$"
    return Field(default, pattern=pattern, description=f"one of {', '.join(names)}")


def _side() -> Any:
    wish = "a multiple of 16 up to 4096, given with the other side, or neither is"
    return Field(None, gt=0, le=4096, multiple_of=16, description=wish)


class Settings(BaseModel):
    """Settings of one run; they travel whole into every step's recipe.

    ``timesteps`` counts schedule points as the reference does: N points make N - 1 flow updates.
    ``guidance`` and ``image_guidance`` are the text and image scales of classifier-free guidance,
    active while ``interval_low < t <= interval_high`` (t after the shift).
    ``quality`` "draft" draws in fewer updates and guesses two of three of the later ones; "final" is exact.
    ``turns`` counts the pictures of the irg protocol, the first one too; ``reflection`` names the scales
    at which it draws again (:data:`engine.core.reflection.REFLECTIONS`).
    ``height`` and ``width`` are of the first picture, in pixels; None is the checkpoint's own size. Later
    pictures keep the size of the one before. ``keep_rejected``: sketches of earlier rounds that were
    drawn again stay in the history that the model is shown (:mod:`engine.protocols.history`).
    The caps (``max_*``) end a run with a sentence, never silently.

    Raises ``ValueError`` whose text names the setting and says what it must be. Types are strict: no text
    is read as a number, and true is no 1.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    protocol: str = Field(default="process", description="the name of a protocol")
    mode: str = _one_of("auto", "auto", "pause_each", "pause_on_fault", "one_step")
    timesteps: int = _whole(25, 2, 200)
    quality: str = _one_of("final", "final", "draft")
    guidance: Number = _number(2.5, 0, 20)
    image_guidance: Number = _number(1.0, 0, 20)
    interval_low: Number = _number(0.0, 0, 1)
    interval_high: Number = _number(1.0, 0, 1)
    shift: Number = Field(default=1.0, gt=0, le=20, description="a number above 0, at most 20")
    renorm: str = _one_of("global", "global", "channel", "text_channel")
    renorm_min: Number = _number(0.0, 0, 1)
    temperature: Number = _number(0.0, 0, 2)
    turns: int = _whole(2, 1, MOST_TURNS)
    reflection: str = _one_of("gentle", *REFLECTIONS)
    height: int | None = _side()
    width: int | None = _side()
    keep_rejected: bool = Field(default=True, description="true or false")
    max_rounds: int = _whole(6, 1, 20)
    max_images: int = _whole(12, 1, 50)
    max_tokens: int = _whole(192, 8, 4096)
    max_seconds: Number = _number(600.0, 1, 86400)

    if not TYPE_CHECKING:  # the signature is that of the fields

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise ValueError(_sentence(error)) from None

    @model_validator(mode="after")
    def _must_fit_together(self) -> Settings:
        if self.interval_low >= self.interval_high:
            raise ValueError(f"interval_low is {self.interval_low!r}; it must be below interval_high")
        if (self.height is None) != (self.width is None):
            raise ValueError(f"height is {self.height!r}; it must be given with width, or neither is")
        return self

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the first picture, if the person chose one."""
        return None if self.height is None or self.width is None else (self.height, self.width)

    def as_dict(self) -> dict[str, Any]:
        """The settings by name, as they are stored."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def replace(self, **changes: Any) -> Settings:
        """These settings with some changed, checked as all are."""
        return Settings(**{**self.as_dict(), **changes})

    def with_preset(self, preset: Mapping[str, Any], usual: Settings) -> Settings:
        """These settings with ``preset`` where the person left the ``usual`` ones: their choice wins."""
        left = {name: value for name, value in preset.items() if getattr(self, name) == getattr(usual, name)}
        return self.replace(**left)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Reads saved settings; those not named are the defaults. Raises ``ValueError`` for unknown names."""
        unknown = sorted(set(values) - set(cls.model_fields))
        if unknown:
            raise ValueError(f"unknown settings: {unknown}; known: {sorted(cls.model_fields)}")
        return cls(**values)


def _sentence(error: ValidationError) -> str:
    """What is wrong with the first setting that doesn't fit."""
    first = error.errors(include_url=False)[0]
    if not first["loc"]:  # settings that don't fit together; the sentence is our own
        return str(first["ctx"]["error"])
    name = str(first["loc"][0])
    if name not in Settings.model_fields:
        return f"unknown settings: {[name]}; known: {sorted(Settings.model_fields)}"
    return f"{name} is {reprlib.repr(first['input'])}; it must be {Settings.model_fields[name].description}"
