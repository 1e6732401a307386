"""A person's picture becomes a step's picture: checked, opened safely, and cut to the size it replaces."""

from __future__ import annotations

from PIL import Image, ImageOps

from sessions import safe_picture


def fit_picture(data: bytes, size: tuple[int, int]) -> tuple[Image.Image, str]:
    """(the picture at ``size`` = (width, height), a remark for the person or "").

    The model goes on drawing at the size it sees, so a replacement keeps the size of what it replaces;
    what doesn't fit is cut off at the edges. Raises ``UploadError`` with a sentence.
    """
    picture = safe_picture(data)
    width, height = picture.size
    if picture.size == size:
        return picture, ""
    fitted = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    cut = abs(width / height - size[0] / size[1]) > 0.02
    change = "scaled, and cut at the edges," if cut else "scaled"
    return fitted, f"Your picture was {change} to {size[0]} × {size[1]}, the size it replaces."
