"""A sound bundle, the means to forge others, and a corpus of hostile ones."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

from PIL import PngImagePlugin

from engine.core.trajectory import Step
from sessions import bundle, png
from sessions.bundle import Bundle, write_png
from tests.sessions.stories import RECIPE, inspect, picture, plan, sketch


def sound() -> Bundle:
    """prompt → plan → sketch → inspect → sketch, two pictures."""
    first, second = (png.encode(picture(seed)) for seed in (1, 2))
    names = [bundle.hashlib.sha256(data).hexdigest() for data in (first, second)]
    steps = [Step(None, "prompt", "person", {"text": "a cat\n🏠 <b>"}, recipe={"session_seed": 5})]
    steps.append(plan(steps[-1].id))
    steps.append(sketch(steps[-1].id, names[0]))
    steps.append(inspect(steps[-1].id, "bigger"))
    steps.append(
        Step(steps[-1].id, "refine", "model", image=names[1], recipe=RECIPE, result={"seconds": 1.5})
    )
    return Bundle("a cat", {"guidance": 2.5}, 5, tuple(steps), dict(zip(names, (first, second), strict=True)))


GOOD = write_png(sound())
FIRST, SECOND = sound().pictures.values()


def opened(file: bytes = GOOD) -> tuple[dict[str, Any], bytes]:
    (body,) = [body for kind, body in png.chunks(file) if kind == b"rsTK"]
    payload = zlib.decompress(body.removeprefix(b"restroke\x01"))
    end = 4 + struct.unpack(">I", payload[:4])[0]
    return json.loads(payload[4:end]), payload[end:]


def sealed(head: Any, pictures: bytes, carrier: bytes = SECOND, magic: bytes = b"restroke\x01") -> bytes:
    """A file as a forger would make it: every checksum right."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    payload = zlib.compress(struct.pack(">I", len(text)) + text + pictures)
    return with_chunks(carrier, (b"rsTK", magic + payload))


def with_chunks(carrier: bytes, *added: tuple[bytes, bytes]) -> bytes:
    end = png.chunk(b"IEND", b"")
    return carrier.removesuffix(end) + b"".join(png.chunk(*one) for one in added) + end


def forged(change: Callable[[dict[str, Any]], Any]) -> bytes:
    head, pictures = opened()
    replaced = change(head)
    return sealed(head if replaced is None else replaced, pictures)


def rehashed(step: dict[str, Any]) -> None:
    """Makes a changed step's hash fit again."""
    parts = {name: value for name, value in step.items() if name not in ("id", "result")}
    step["id"] = bundle.hashlib.sha256(bundle.canonical_json(parts)).hexdigest()


def apng() -> bytes:
    out = io.BytesIO()
    picture(1).save(out, "PNG", save_all=True, append_images=[picture(2)])
    return out.getvalue()


def with_text() -> bytes:
    info, out = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_text("note", "hello")
    picture(2).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def as_mode(mode: str) -> bytes:
    out = io.BytesIO()
    picture(2).convert(mode).save(out, "PNG")
    return out.getvalue()


def with_last_picture(data: bytes) -> bytes:
    """A forger's own picture as the last one, every hash right."""
    head, pictures = opened()
    head["steps"][-1]["image"] = bundle.hashlib.sha256(data).hexdigest()
    rehashed(head["steps"][-1])
    return sealed(head, pictures, carrier=data)


def huge_header() -> bytes:
    header = struct.pack(">II", 50_000, 50_000) + b"\x08\x02\x00\x00\x00"
    return png.SIGNATURE + b"".join(
        png.chunk(*one) for one in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    )


def short_data() -> bytes:
    header = struct.pack(">II", 100, 100) + b"\x08\x02\x00\x00\x00"
    return png.SIGNATURE + b"".join(
        png.chunk(*one) for one in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(50))), (b"IEND", b""))
    )


def bomb() -> bytes:
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(2**20)) for _ in range(80)) + packer.flush()
    return with_chunks(SECOND, (b"rsTK", b"restroke\x01" + body))


def way(path: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in path.split(".")]


def original(path: str) -> Any:
    at: Any = opened()[0]
    for part in way(path):
        at = at[part]
    return at


def edit(path: str, value: Any, fit: bool = False) -> Callable[[dict[str, Any]], None]:
    """Sets ``head[a][b]…`` to a value; with ``fit`` the last step's hash is made right again."""

    def change(head: dict[str, Any]) -> None:
        at: Any = head
        *parts, last = way(path)
        for part in parts:
            at = at[part]
        at[last] = value
        if fit:
            rehashed(head["steps"][-1])

    return change


INFINITE = '"settings": {"guidance": 1e999}'
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "isn't a PNG"),
    "not a picture": (lambda: b"GIF89a" + bytes(100), "isn't a PNG"),
    "no recipe": (lambda: SECOND, "has no Restroke recipe"),
    "another's chunk": (lambda: with_chunks(SECOND, (b"rsTK", b"other")), "has no Restroke recipe"),
    "two recipes": (
        lambda: with_chunks(
            SECOND, *[(b"rsTK", body) for kind, body in png.chunks(GOOD) if kind == b"rsTK"] * 2
        ),
        "has no Restroke recipe",
    ),
    "a newer recipe": (lambda: sealed(*opened(), magic=b"restroke\x02"), "written by a newer Restroke"),
    "something behind its end": (lambda: GOOD + b"<script>", "follows its end"),
    "a bomb": (bomb, "larger than 64 MB"),
    "not packed": (lambda: with_chunks(SECOND, (b"rsTK", b"restroke\x01" + b"junk")), "can't be unpacked"),
    "something behind the packing": (
        lambda: with_chunks(SECOND, *[(k, b + b"x") for k, b in png.chunks(GOOD) if k == b"rsTK"]),
        "something follows it",
    ),
    "not JSON": (lambda: sealed(b"{", b""), "can't be used"),
    "not UTF-8": (lambda: sealed(b'"\xff"', b""), "can't be used"),
    "a list": (lambda: sealed([], b""), "a list where a dict"),
    "no number at all": (lambda: forged(edit("settings", {"guidance": float("nan")})), "the number NaN"),
    "an infinite setting": (
        lambda: sealed(
            json.dumps(opened()[0]).replace('"settings": {"guidance": 2.5}', INFINITE).encode(), FIRST
        ),
        "Settings must be plain",
    ),
    "endless nesting": (lambda: sealed(b"[" * 200_000, b""), "nested too deeply"),
    "no steps": (lambda: forged(edit("steps", [])), "it has 0 steps"),
    "too many steps": (lambda: forged(lambda h: {**h, "steps": h["steps"] * 500}), "it has 2,500 steps"),
    "a part missing": (lambda: forged(lambda h: h.__delitem__("seed")), "it lacks 'seed'"),
    "a step's part missing": (lambda: forged(lambda h: h["steps"][0].__delitem__("result")), "wrong parts"),
    "a step's part too many": (lambda: forged(edit("steps.0.more", 1)), "wrong parts"),
    "other words": (lambda: forged(edit("steps.1.fields.instruction", "evil")), "hash of one of its steps"),
    "another seed": (lambda: forged(edit("steps.4.recipe.seed", 1)), "hash of one of its steps"),
    "an unknown kind": (lambda: forged(edit("steps.1.kind", "exec")), "unknown step kind 'exec'"),
    "a number for words": (lambda: forged(edit("steps.1.fields.instruction", 7)), "a int where a str"),
    "a list for a kind": (lambda: forged(edit("steps.1.kind", ["plan"])), "a list where a str"),
    "a list for fields": (lambda: forged(edit("steps.1.fields", ["a"])), "a list where a dict"),
    "words without end": (
        lambda: forged(edit("steps.1.fields.instruction", "x" * 30_000)),
        "content that can't be saved",
    ),
    "a NUL in words": (lambda: forged(edit("steps.0.fields.text", "a\0b")), "hash of one of its steps"),
    "no root": (lambda: forged(lambda h: {**h, "steps": h["steps"][1:]}), "does not follow"),
    "steps in another order": (lambda: forged(lambda h: {**h, "steps": h["steps"][::-1]}), "does not follow"),
    "a step twice": (
        lambda: forged(lambda h: {**h, "steps": h["steps"] + h["steps"][-1:]}),
        "does not follow",
    ),
    "a true seed": (lambda: forged(edit("seed", True)), "a bool where a int"),
    "a seed out of range": (lambda: forged(edit("seed", 2**63)), "its seed can't be used"),
    "no title": (lambda: forged(edit("title", " \0")), "title or its seed"),
    "another picture shown": (lambda: sealed(*opened(), carrier=FIRST), "aren't the ones"),
    "a picture changed": (lambda: sealed(opened()[0], FIRST[:-1] + b"x"), "aren't the ones"),
    "a picture missing": (lambda: sealed({**opened()[0], "pictures": []}, b""), "aren't the ones"),
    "a picture too many": (
        lambda: sealed(
            {**opened()[0], "pictures": [len(FIRST), 5]},
            FIRST + b"12345",
        ),
        "aren't the ones",
    ),
    "a picture cut off": (lambda: sealed(opened()[0], FIRST[:-1]), "cut off"),
    "a picture of negative size": (lambda: forged(edit("pictures.0", -1)), "cut off"),
    "a list among the sizes": (lambda: forged(edit("pictures", [[]])), "a list where a int"),
    "another size": (lambda: forged(edit("pictures", [7])), "follows its pictures"),
    "a size for the list of sizes": (lambda: forged(edit("pictures", 7)), "a int where a list"),
    "settings that are none": (
        lambda: forged(edit("steps.1.recipe.settings", None)),
        "NoneType where a dict",
    ),
    "seconds in words": (lambda: forged(edit("steps.1.result.seconds", "5")), "a str where a float"),
    "an attempt in words": (lambda: forged(edit("steps.1.recipe.attempt", "x")), "a str where a int"),
    "something behind the pictures": (lambda: sealed(opened()[0], FIRST + b"x"), "follows its pictures"),
    "an animation": (lambda: with_last_picture(apng()), "holds a chunk b'acTL'"),
    "a picture with text inside": (lambda: with_last_picture(with_text()), "holds a chunk b'tEXt'"),
    "a picture with a palette": (lambda: with_last_picture(as_mode("P")), "holds a chunk b'PLTE'"),
    "a see-through picture": (lambda: with_last_picture(as_mode("RGBA")), "isn't 8-bit RGB"),
    "a picture of 2.5 gigapixels": (lambda: with_last_picture(huge_header()), "too large"),
    "a picture that can't be decoded": (lambda: with_last_picture(short_data()), "can't be decoded"),
}
