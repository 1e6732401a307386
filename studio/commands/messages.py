"""What a command's message must be. A wrong one is refused in a sentence, never silently corrected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from engine.core.settings import Settings
from sessions import clean_text

LONGEST_TEXT = 4000


class RefusedError(Exception):
    """A command that can't be done; the message says why and what to do."""


def checked_text(text: str, what: str, longest: int = LONGEST_TEXT) -> str:
    """A person's text as it may be kept. Raises :class:`RefusedError` when it is too long."""
    if len(text) > longest:
        raise RefusedError(
            f"The {what} has {len(text):,} characters; at most {longest:,} fit. Shorten it; nothing was lost."
        )
    return clean_text(text)


def checked_seed(seed: object) -> int:
    """A seed. Raises :class:`RefusedError`."""
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise RefusedError("A seed is a whole number from 0 to 4,294,967,295.")
    return seed


def checked_settings(values: Mapping[str, Any], usual: Settings) -> Settings:
    """Settings with those of ``usual`` where ``values`` says nothing. Raises :class:`RefusedError`."""
    try:
        return Settings.from_dict({**usual.as_dict(), **values})
    except (TypeError, ValueError) as error:
        raise RefusedError(f"These settings don't fit: {error}. Change them and save again.") from error


Id = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
"""The id of a session, branch, step, run or note: hexadecimal digits."""
Seed = Annotated[int, PlainValidator(checked_seed)]
Token = Annotated[str, Field(max_length=2000)]
"""What an upload was answered with."""
FieldName = Literal["text", "instruction", "description", "verdict", "correction"]
Fields = dict[FieldName, str]
"""The texts of a card. How long each may be is checked where its kind is known."""
Choice = (
    Annotated[str, Field(max_length=100)] | int | Annotated[float, Field(allow_inf_nan=False)] | bool | None
)
Choices = Annotated[dict[Annotated[str, Field(max_length=100)], Choice], Field(max_length=100)]
"""Settings by name. Which there are and what fits is checked by :func:`checked_settings`."""


def text(what: str, longest: int = LONGEST_TEXT) -> AfterValidator:
    """For a field with a person's text: see :func:`checked_text`."""
    return AfterValidator(lambda value: checked_text(value, what, longest))


class Message(BaseModel):
    """What a page sends with a command. No value is converted, and no unknown one is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """The message. Raises :class:`RefusedError` that names the value that is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise RefusedError(
                f"This page sent something that Restroke can't use: {_named(error)}. Load the page again."
            ) from error


class NoSession(Message):
    """A command that is about no session."""

    sid: None = None


class InSession(Message):
    """A command about a session."""

    sid: Id


_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "dict_type": "must be a set of named values",
    "list_type": "must be a list",
    "none_required": "must be empty",
    "string_pattern_mismatch": "is not an id",
    "string_too_long": "is too long",
    "too_long": "has too many values",
}


def _named(error: ValidationError) -> str:
    """“seed” must be text: the first thing that is wrong."""
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "the message"
    return f"“{name[:40]}” {_WORDS.get(first['type'], 'has a value that is not allowed')}"
