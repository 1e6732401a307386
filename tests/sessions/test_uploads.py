"""A person's file becomes plain RGB pixels, or gets a sentence."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sessions import UploadError, png, safe_picture
from tests.sessions.stories import picture

RED = (220, 40, 30)


def saved(image: Image.Image, kind: str, **wish: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **wish)
    return out.getvalue()


def red(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, RED).convert(mode)


def near(
    found: Image.Image, wanted: tuple[int, int, int], at: tuple[int, int] = (3, 3), by: int = 12
) -> bool:
    return all(abs(a - b) <= by for a, b in zip(found.getpixel(at), wanted, strict=True))


def grey16() -> bytes:
    """Left half dark, right half bright, 16 bits deep: cut off at 255 both would be white."""
    rows = [struct.pack(">40H", *([10_000] * 20 + [50_000] * 20)) for _ in range(30)]
    header = struct.pack(">II", 40, 30) + b"\x10\x00\x00\x00\x00"
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return png.SIGNATURE + png.chunk(b"IHDR", header) + png.chunk(b"IDAT", body) + png.chunk(b"IEND", b"")


def palette_with_hole() -> bytes:
    image = Image.new("P", (40, 30), 0)
    image.putpalette([0, 0, 0, *RED])
    image.paste(1, (20, 0, 40, 30))
    return saved(image, "PNG", transparency=0)


def half_seen() -> bytes:
    return saved(Image.new("RGBA", (40, 30), (0, 0, 0, 128)), "PNG")


def turned() -> bytes:
    """40 × 30 as stored, the left edge red; the camera says: turn it a quarter clockwise."""
    image = Image.new("RGB", (40, 30), "white")
    image.paste(RED, (0, 0, 8, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "where I live"
    return saved(image, "JPEG", exif=exif, quality=95)


def phone() -> bytes:
    """A JPEG with a second picture behind the first (MPO), as many phones write."""
    return saved(red(), "MPO", save_all=True, append_images=[picture()])


def loaded() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(red(), "PNG", icc_profile=profile, dpi=(300, 300), exif=Image.Exif())


class TestWhatIsTaken:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
    def test_every_format_on_the_list(self, kind):
        found = safe_picture(saved(red(), kind))
        assert (found.mode, found.size) == ("RGB", (40, 30))
        assert near(found, RED)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
    def test_every_mode_a_png_has(self, mode):
        image = Image.new(mode, (40, 30)) if mode == "I;16" else red(mode)
        assert safe_picture(saved(image, "PNG")).mode == "RGB"

    @pytest.mark.parametrize(
        ("make", "at", "wanted"),
        [
            (lambda: saved(red("CMYK"), "JPEG", quality=95), (3, 3), RED),
            (grey16, (3, 3), (39, 39, 39)),
            (grey16, (30, 3), (195, 195, 195)),
            (palette_with_hole, (3, 3), (255, 255, 255)),
            (palette_with_hole, (30, 3), RED),
            (half_seen, (3, 3), (127, 127, 127)),
            (phone, (3, 3), RED),
        ],
    )
    def test_its_colours_are_what_a_person_sees(self, make: Callable[[], bytes], at, wanted):
        assert near(safe_picture(make()), wanted, at)

    def test_it_stands_upright(self):
        found = safe_picture(turned())
        assert found.size == (30, 40)
        assert near(found, RED, (15, 2))
        assert near(found, (255, 255, 255), (15, 30))

    @pytest.mark.parametrize("make", [turned, loaded])
    def test_nothing_but_pixels_is_left(self, make):
        found = safe_picture(make())
        assert found.info == {}
        assert not found.getexif()
        png.decode_plain(png.encode(found))

    def test_lossless_is_lossless(self):
        assert safe_picture(saved(picture(4), "PNG")).tobytes() == picture(4).tobytes()

    def test_a_path_will_do(self, tmp_path):
        path = tmp_path / "my picture.bin"
        path.write_bytes(saved(red(), "PNG"))
        assert safe_picture(path).size == safe_picture(str(path)).size == (40, 30)

    def test_a_large_one_is_scaled_down_in_its_shape(self):
        assert safe_picture(saved(red(size=(3000, 1500)), "PNG")).size == (2048, 1024)

    def test_the_longest_shape_there_may_be(self):
        assert safe_picture(saved(red(size=(160, 10)), "PNG")).size == (160, 10)


def frames(kind: str) -> bytes:
    return saved(picture(1), kind, save_all=True, append_images=[picture(2)], duration=100)


def with_size(width: int, height: int) -> bytes:
    """A PNG that claims a size, with next to nothing behind it."""
    header = struct.pack(">II", width, height) + b"\x08\x02\x00\x00\x00"
    body = zlib.compress(bytes(1000))
    return png.SIGNATURE + png.chunk(b"IHDR", header) + png.chunk(b"IDAT", body) + png.chunk(b"IEND", b"")


def text_bomb() -> bytes:
    body = b"note\0\0" + zlib.compress(bytes(80 * 2**20), 9)
    whole = saved(red(), "PNG")
    return whole[:33] + png.chunk(b"zTXt", body) + whole[33:]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><rect width="9" height="9"/></svg>'
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "isn't a picture that can be read"),
    "text": (lambda: b"hello " * 100, "isn't a picture that can be read"),
    "SVG": (lambda: SVG, "isn't a picture that can be read"),
    "TIFF": (lambda: saved(red(), "TIFF"), "isn't a picture that can be read"),
    "BMP": (lambda: saved(red(), "BMP"), "isn't a picture that can be read"),
    "PDF": (lambda: saved(red(), "PDF"), "isn't a picture that can be read"),
    "EPS": (lambda: saved(red(), "EPS"), "isn't a picture that can be read"),
    "a cut PNG": (lambda: saved(picture(1, (200, 200)), "PNG")[:5000], "damaged or cut off"),
    "a cut JPEG": (lambda: saved(picture(1, (200, 200)), "JPEG")[:5000], "damaged or cut off"),
    "a cut WebP": (lambda: saved(picture(1, (200, 200)), "WEBP")[:5000], "damaged or cut off|can be read"),
    "a cut GIF": (lambda: saved(picture(1, (200, 200)), "GIF")[:5000], "damaged or cut off"),
    "less than it claims": (lambda: with_size(100, 100), "damaged or cut off"),
    "1 x 20 000": (lambda: saved(red(size=(1, 20_000)), "PNG"), "1 × 20000 pixels"),
    "20 000 x 9": (lambda: saved(red(size=(20_000, 9)), "PNG"), "over 16 times as long as wide"),
    "1 x 1": (lambda: saved(red(size=(1, 1)), "PNG"), "each side needs at least 8"),
    "41 megapixels": (lambda: with_size(6_500, 6_400), "more than 40 million pixels"),
    "200 megapixels": (lambda: with_size(20_000, 10_000), "more than 40 million pixels"),
    "more pixels than there are": (lambda: with_size(2**31 - 1, 2**31 - 1), "more than 40 million pixels"),
    "a moving GIF": (lambda: frames("GIF"), "This picture is animated"),
    "a moving PNG": (lambda: frames("PNG"), "This picture is animated"),
    "a moving WebP": (lambda: frames("WEBP"), "This picture is animated"),
    "a bomb of text": (text_bomb, "damaged or cut off"),
    "51 MB": (lambda: bytes(51 * 2**20), "51 MB; at most 50 MB"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
class TestWhatIsRefused:
    @pytest.mark.parametrize("name", REFUSED)
    def test_gets_a_sentence_that_says_what_to_do(self, name):
        make, words = REFUSED[name]
        with pytest.raises(UploadError, match=words) as caught:
            safe_picture(make())
        assert "Nothing was changed." in str(caught.value)

    def test_a_file_that_is_not_there(self, tmp_path):
        for path in (tmp_path / "gone.png", tmp_path):
            with pytest.raises(UploadError, match="can't be read"):
                safe_picture(path)

    @given(at=st.integers(0, 10**6), junk=st.binary(min_size=1, max_size=8), kind=st.sampled_from("PJWG"))
    @settings(max_examples=120, deadline=None)
    def test_any_damage_is_a_picture_or_a_sentence(self, at, junk, kind):
        whole = WHOLE[kind]
        at %= len(whole)
        try:
            found = safe_picture(whole[:at] + junk + whole[at + len(junk) :])
        except UploadError:
            return
        assert found.mode == "RGB"
        assert max(found.size) <= 2048


WHOLE = {kind[0]: saved(picture(1, (40, 40)), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF")}
