"""Turns a person's file into a picture that is safe to save and to show to a model.

Formats are an allow-list: PNG, JPEG, WebP, and GIF when it is a still. An animation is refused
rather than quietly cut to its first frame. What comes out is RGB pixels alone: rotated as the
camera meant, over white where it was transparent, without any metadata. Where the file came
from, and how large a request may be, is the caller's business.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from sessions.errors import UploadError
from sessions.png import MAX_PIXELS

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_FILE_BYTES = 50 * 2**20
MIN_SIDE = 8
MAX_ASPECT = 16
MAX_SIDE = 2048
_KEPT = "Nothing was changed."
_NOT_A_PICTURE = (
    f"This file isn't a picture that can be read. {_KEPT} Save it as PNG, JPEG or WebP, then add it again."
)


def safe_picture(data: bytes | str | os.PathLike[str]) -> Image.Image:
    """The picture in a file (its bytes, or its path): RGB, 8 bits a channel, no metadata.

    A picture with a side over 2048 pixels is scaled down to that, its shape kept; the model looks
    at far fewer. Raises :class:`UploadError` whose text says what is wrong and what to do.
    """
    if not isinstance(data, bytes):
        data = _read(Path(data))
    if len(data) > MAX_FILE_BYTES:
        raise UploadError(
            f"This file is {len(data) >> 20} MB; at most {MAX_FILE_BYTES >> 20} MB can be added. {_KEPT} "
            "Make it smaller, then add it again."
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check(picture)
            picture.load()
            return _plain(picture)
    except UploadError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except UnidentifiedImageError as error:
        raise UploadError(_NOT_A_PICTURE) from error
    except Exception as error:  # a decoder given hostile bytes may raise anything
        raise UploadError(
            f"This picture is damaged or cut off. {_KEPT} Download or save it again, then add it again."
        ) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UploadError(f"The file can't be read ({error.strerror}). {_KEPT} Add it again.") from error


def _check(picture: Image.Image) -> None:
    """What the header says, before any pixel is decoded."""
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()
    if min(width, height) < MIN_SIDE:
        raise UploadError(
            f"This picture is {width} × {height} pixels; each side needs at least {MIN_SIDE}. {_KEPT} Add a "
            "larger one."
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UploadError(
            f"This picture is {width} × {height} pixels, over {MAX_ASPECT} times as long as wide. {_KEPT} "
            "Crop it, then add it again."
        )
    # A phone's JPEG may hold a second, smaller copy (MPO) and is no animation; the first is the picture.
    if picture.format != "MPO" and getattr(picture, "is_animated", False):
        raise UploadError(
            f"This picture is animated; a step has one still picture. {_KEPT} Save the frame you want as "
            "PNG, then add that."
        )


def _too_many_pixels() -> UploadError:
    return UploadError(
        f"This picture has more than {MAX_PIXELS // 10**6} million pixels. {_KEPT} Make it smaller, then add "
        "it again."
    )


def _plain(picture: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        # 16-bit greys: convert() would cut them off at 255, so bring them down first.
        upright = upright.convert("I").point(lambda grey: grey * (1 / 257)).convert("L")
    if upright.has_transparency_data:
        over = upright.convert("RGBA")
        rgb = Image.new("RGBA", over.size, "white")
        rgb.alpha_composite(over)
        rgb = rgb.convert("RGB")
    else:
        rgb = upright.convert("RGB")
    rgb.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return Image.frombytes("RGB", rgb.size, rgb.tobytes())
