"""PNG files at the level of their chunks: writing plain ones, and telling whether one is plain.

A *plain* PNG holds one still RGB picture and nothing else (only IHDR, IDAT and IEND chunks): no
text, no colour profile, no animation, nothing behind its end. The store keeps only plain ones, so
a picture's digest is over its picture alone. Colour management is out of scope.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 40_000_000
_PLAIN = {b"IHDR", b"IDAT", b"IEND"}
_EIGHT_BIT_RGB = b"\x08\x02\x00\x00\x00"  # depth, colour type, compression, filter, not interlaced


def encode(picture: Image.Image) -> bytes:
    """The picture as a plain PNG: RGB, lossless, none of ``picture.info`` carried over."""
    rgb = picture.convert("RGB")
    clean = Image.frombytes("RGB", rgb.size, rgb.tobytes())
    out = io.BytesIO()
    clean.save(out, "PNG")
    return out.getvalue()


def decode_plain(data: bytes) -> Image.Image:
    """The picture of a plain PNG, decoded whole. Raises ``ValueError`` saying what isn't plain."""
    pixels = plain_pixels(data)
    if pixels > MAX_PIXELS:
        raise ValueError(f"it has {pixels:,} pixels, at most {MAX_PIXELS:,} are read")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error) as error:
        raise ValueError(f"its picture can't be decoded ({error})") from error


def plain_pixels(data: bytes) -> int:
    """How many pixels a plain PNG says it has, from its header; ``ValueError`` when it isn't plain."""
    header, last = b"", b""
    for kind, body in chunks(data):
        if kind not in _PLAIN:
            raise ValueError(f"it holds a chunk {kind!r}")
        if (kind == b"IHDR") != (last == b""):
            raise ValueError("its header is out of place")
        header, last = (body if kind == b"IHDR" else header), kind
    if last != b"IEND":
        raise ValueError("it has no end")
    if len(header) != 13 or header[8:] != _EIGHT_BIT_RGB:
        raise ValueError("it isn't 8-bit RGB")
    return int.from_bytes(header[:4], "big") * int.from_bytes(header[4:8], "big")


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every chunk as (kind, body), checksums checked. ``ValueError`` for anything malformed."""
    if not data.startswith(SIGNATURE):
        raise ValueError("it isn't a PNG")
    at = len(SIGNATURE)
    while at < len(data):
        if at + 12 > len(data):
            raise ValueError("it is cut off")
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("it is cut off")
        kind, body = data[at + 4 : at + 8], data[at + 8 : end - 4]
        if struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(data[at + 4 : end - 4]):
            raise ValueError(f"the checksum of its chunk {kind!r} is wrong")
        yield kind, body
        if kind == b"IEND" and end != len(data):
            raise ValueError("something follows its end")
        at = end


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk as bytes."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
