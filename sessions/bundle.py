"""A PNG with its whole recipe: the trajectory that led to the picture, and the pictures on the way.

The file is the newest picture's own bytes with one private chunk before their end, so any viewer
shows it, and taking the chunk out again gives back the very bytes the step's hash is over.

The chunk ``rsTK`` (private, ancillary, not to be copied by a program that changes the picture)::

    b"restroke" · version byte · zlib of:
        length of the JSON, 4 bytes big-endian
        JSON: title, settings, seed, steps (id, parent, kind, …, result), pictures [size, …]
        the other pictures' PNG bytes, one after the other

Reading trusts nothing: sizes are capped before anything is unpacked, every hash is derived again
and every picture decoded. This module knows no database and writes no file.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.core.events import step_as_dict
from engine.core.trajectory import Step, canonical_json, last_image
from sessions import png
from sessions.errors import BundleError, InvalidInput
from sessions.text import clean_settings, clean_step, title_from

MAX_BYTES = 64 * 2**20
MAX_STEPS = 2000
MAX_PIXELS_IN_ALL = 200_000_000
_LONGEST_REASON = 200  # it may quote the file
_KIND = b"rsTK"
_MAGIC = b"restroke\x01"
_STEP_KEYS = {"id", "parent", "kind", "author", "fields", "image", "recipe", "result"}
_NO_RECIPE = (
    "This PNG has no Restroke recipe; programs that save it again or share it often remove it. Nothing was "
    "changed. Use the file as it was downloaded, or start a new session."
)


@dataclass(frozen=True)
class Bundle:
    """A trajectory with every picture that it refers to (digest → plain PNG bytes)."""

    title: str
    settings: Mapping[str, Any]
    seed: int
    steps: tuple[Step, ...]
    pictures: Mapping[str, bytes]


def write_png(bundle: Bundle) -> bytes:
    """The newest picture of the trajectory as a PNG with everything inside.

    Raises :class:`BundleError` when it would be larger than :func:`read_png` accepts.
    """
    shown = last_image(bundle.steps)
    if shown is None or shown.image is None:
        raise ValueError("a bundle needs a picture")
    others = [picture for digest, picture in sorted(bundle.pictures.items()) if digest != shown.image]
    head = canonical_json(
        {
            "title": bundle.title,
            "settings": dict(bundle.settings),
            "seed": bundle.seed,
            "steps": [step_as_dict(step) for step in bundle.steps],
            "pictures": [len(picture) for picture in others],
        }
    )
    payload = b"".join([struct.pack(">I", len(head)), head, *others])
    carrier = bundle.pictures[shown.image]
    # The packing may add a little to what can't be packed; the margin is far more than that.
    if len(payload) + len(carrier) > MAX_BYTES - 2**20 or len(bundle.steps) > MAX_STEPS:
        raise BundleError(
            f"This branch with all its pictures is larger than the {MAX_BYTES >> 20} MB that one PNG can "
            "hold. Nothing is lost. Download an earlier picture of it instead."
        )
    return _with_chunk(carrier, _MAGIC + zlib.compress(payload, 6))


def read_png(data: bytes) -> Bundle:
    """The bundle inside a PNG, every part of it checked.

    Raises :class:`BundleError` whose text says what is wrong, for any bytes whatever.
    """
    if len(data) > MAX_BYTES:
        raise BundleError(
            f"This file is {len(data) >> 20} MB; a picture with its recipe is at most {MAX_BYTES >> 20} MB. "
            "Nothing was changed. Use the file as it was downloaded."
        )
    try:
        carrier, body = _without_chunk(data)
        payload = _unpack(body)
        head, rest = _head(payload)
        steps = _steps(head["steps"])
        pictures = _pictures(head["pictures"], rest, carrier, steps)
        title, settings = title_from(_typed(head["title"], str)), _typed(head["settings"], dict)
        seed = _typed(head["seed"], int)
        if not title or not 0 <= seed < 2**63:
            raise ValueError("its title or its seed can't be used")
        return Bundle(title, clean_settings(settings), seed, steps, pictures)
    except (ValueError, KeyError, RecursionError) as error:
        raise BundleError(
            f"The recipe in this PNG can't be used: {_reason(error)}. Nothing was changed. "
            "Use the file as it was downloaded, or start a new session."
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)[:_LONGEST_REASON]


def _with_chunk(carrier: bytes, body: bytes) -> bytes:
    end = png.chunk(b"IEND", b"")
    return carrier.removesuffix(end) + png.chunk(_KIND, body) + end


def _without_chunk(data: bytes) -> tuple[bytes, bytes]:
    """The picture's own bytes, and what the chunk holds."""
    kept, bodies = [png.SIGNATURE], []
    for kind, body in png.chunks(data):
        if kind == _KIND:
            bodies.append(body)
        else:
            kept.append(png.chunk(kind, body))
    if len(bodies) != 1 or not bodies[0].startswith(b"restroke"):
        raise BundleError(_NO_RECIPE)
    if not bodies[0].startswith(_MAGIC):
        raise BundleError(
            "The recipe in this PNG was written by a newer Restroke. Nothing was changed. Open it with "
            "that version."
        )
    return b"".join(kept), bodies[0].removeprefix(_MAGIC)


def _unpack(body: bytes) -> bytes:
    """Never makes more than the cap, whatever the bytes promise."""
    unpacker = zlib.decompressobj()
    try:
        payload = unpacker.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise ValueError("it can't be unpacked") from error
    if len(payload) > MAX_BYTES:
        raise ValueError(f"unpacked it is larger than {MAX_BYTES >> 20} MB")
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("it is cut off, or something follows it")
    return payload


def _head(payload: bytes) -> tuple[dict[str, Any], bytes]:
    if len(payload) < 4:
        raise ValueError("it is cut off")
    end = 4 + struct.unpack_from(">I", payload)[0]
    if end > len(payload):
        raise ValueError("it is cut off")
    head = json.loads(payload[4:end].decode(), parse_constant=_no_constant)
    return _typed(head, dict), payload[end:]


def _no_constant(name: str) -> None:
    raise ValueError(f"it has the number {name}")


def _typed(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        raise ValueError(f"there is a {type(value).__name__} where a {kinds[0].__name__} belongs")
    return value


def _steps(values: Any) -> tuple[Step, ...]:
    """The steps, each hash derived again, each the child of the one before."""
    values = _typed(values, list)
    if not 1 <= len(values) <= MAX_STEPS:
        raise ValueError(f"it has {len(values):,} steps; 1 to {MAX_STEPS:,} can be read")
    steps: list[Step] = []
    for value in values:
        step = _step_in(_typed(value, dict))
        if step.parent != (steps[-1].id if steps else None):
            raise ValueError(f"its step {len(steps)} does not follow the one before")
        steps.append(step)
    return tuple(steps)


_IN_RECIPES = {
    "settings": (dict,),
    "attempt": (int,),
    "edited_from": (str,),
    "start": (str,),
    "wish": (str,),
    "preset": (list,),
}
_IN_RESULTS = {
    "seconds": (float, int),
    "reused_tokens": (int,),
    "prefilled_tokens": (int,),
    "saved_seconds": (float, int),
}
"""What others read of a step and rely on."""


def _step_in(value: dict[str, Any]) -> Step:
    if set(value) != _STEP_KEYS:
        raise ValueError("one of its steps has the wrong parts")
    fields = _typed(value["fields"], dict)
    for text in [value["kind"], value["author"], *fields.values()]:
        _typed(text, str)
    for name in (value["parent"], value["image"]):
        if name is not None:
            _typed(name, str)
    recipe, result = _typed(value["recipe"], dict), _typed(value["result"], dict)
    for known, kinds in ((recipe, _IN_RECIPES), (result, _IN_RESULTS)):
        for name in known.keys() & kinds.keys():
            _typed(known[name], *kinds[name])
    step = Step(value["parent"], value["kind"], value["author"], fields, value["image"], recipe, result)
    try:
        sound = clean_step(step).id == value["id"]
    except InvalidInput as error:
        raise ValueError("one of its steps has content that can't be saved") from error
    if not sound:
        raise ValueError(f"the hash of one of its steps ({step.kind}) doesn't fit its content")
    return step


def _pictures(listed: Any, rest: bytes, carrier: bytes, steps: Sequence[Step]) -> dict[str, bytes]:
    """Every picture the steps refer to, no more and no fewer, each held against its digest."""
    found = [carrier]
    for size in _typed(listed, list):
        if not 0 < _typed(size, int) <= len(rest):
            raise ValueError("a picture in it is cut off")
        found.append(rest[:size])
        rest = rest[size:]
    if rest:
        raise ValueError("something follows its pictures")
    pictures = {hashlib.sha256(data).hexdigest(): data for data in found}
    if set(pictures) != {step.image for step in steps if step.image}:
        raise ValueError("its pictures aren't the ones its steps were made with")
    if sum(png.plain_pixels(data) for data in pictures.values()) > MAX_PIXELS_IN_ALL:
        raise ValueError("its pictures are too large")
    for data in pictures.values():
        png.decode_plain(data)
    return pictures
