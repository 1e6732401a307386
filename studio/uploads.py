"""A person's picture becomes a step's picture: checked, opened safely, and cut to the size it needs."""

from __future__ import annotations

from PIL import Image, ImageOps

from engine.core.image_sizes import ImageSizes
from sessions import safe_picture

UPLOADED = "upload"
"""What the recipe of a picture to start from says when it is a person's own."""


def fit_picture(data: bytes, size: tuple[int, int]) -> tuple[Image.Image, str]:
    """(the picture at ``size`` = (width, height), a remark for the person or "").

    The model goes on drawing at the size it sees, so a replacement keeps the size of what it replaces;
    what doesn't fit is cut off at the edges. Raises ``UploadError`` with a sentence.
    """
    picture = safe_picture(data)
    return _fitted(picture, size, ", the size it replaces")


def start_picture(data: bytes, image_sizes: ImageSizes | None) -> tuple[Image.Image, str]:
    """(a picture to start from, a remark or ""): at the size at which the model sees it.

    ``image_sizes``: None while the model is being opened; then the picture stays as it is, and is fitted when
    the model is first shown it. Raises ``UploadError``.
    """
    picture = safe_picture(data)
    return fit_start(picture, image_sizes) if image_sizes else (picture, "")


def fit_start(picture: Image.Image, image_sizes: ImageSizes) -> tuple[Image.Image, str]:
    """(a picture to start from at the size at which the model sees it, a remark or ""); twice is fine."""
    height, width = image_sizes.fitting(picture.height, picture.width)
    return _fitted(picture, (width, height), ", the size this model sees it at")


def _fitted(picture: Image.Image, size: tuple[int, int], why: str) -> tuple[Image.Image, str]:
    width, height = picture.size
    if picture.size == size:
        return picture, ""
    fitted = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    cut = abs(width / height - size[0] / size[1]) > 0.02
    change = "scaled, and cut at the edges," if cut else "scaled"
    return fitted, f"Your picture was {change} to {size[0]} × {size[1]}{why}."
