"""What a model is shown, part by part: pieces of text, and pictures by their digests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextPart:
    """A piece of text, as the model reads it."""

    text: str


@dataclass(frozen=True)
class ImagePart:
    """A picture, by the SHA-256 (hex) of its PNG bytes.

    ``seen_only``: only the vision encoder sees it, as when the public model is asked about a picture.
    Otherwise its clean latents come first, as before a picture that is drawn from it.
    """

    digest: str
    seen_only: bool = False


Part = TextPart | ImagePart
