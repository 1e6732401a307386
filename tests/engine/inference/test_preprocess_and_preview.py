"""Pictures of every mode and shape, and the linear preview."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.core.image_sizes import ImageSizes
from engine.inference.pictures import shown_size
from engine.inference.preprocess import Transform, normalised, to_rgb
from engine.inference.preview import CELL, PreviewProjector
from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from tests.tiny import checkpoint


def test_transparency_becomes_white_and_plain_grey_alpha_is_dropped() -> None:
    assert to_rgb(Image.new("RGBA", (2, 2), (255, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(Image.new("LA", (2, 2), (40, 0))).getpixel((0, 0)) == (40, 40, 40)
    palette = Image.new("P", (2, 2), 3)
    palette.info["transparency"] = 3
    assert to_rgb(palette).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "1", "CMYK", "I;16", "F", "HSV", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    assert to_rgb(Image.new(mode, (3, 5))).mode == "RGB"


@given(st.integers(1, 20000), st.integers(1, 20000))
def test_sizes_are_whole_strides_within_the_limit(width: int, height: int) -> None:
    new = Transform(256, 128, 32).size(width, height)
    assert all(side % 32 == 0 and 32 <= side <= 256 for side in new)


def test_normalised_pixels_span_minus_one_to_one() -> None:
    pixels = normalised(Image.new("RGB", (2, 1), (0, 128, 255)))
    assert pixels.shape == (3, 1, 2)
    assert pixels[:, 0, 0].tolist() == pytest.approx([-1, 128 / 127.5 - 1, 1], abs=1e-6)


def test_a_preview_is_fitted_the_same_every_time() -> None:
    latent = torch.randn(16, 4, 6)
    one, two = (PreviewProjector.fit(checkpoint().autoencoder).picture(latent) for _ in range(2))
    assert one.size == (6 * CELL, 4 * CELL) and one.tobytes() == two.tobytes()
    unknown = torch.full((16, 2, 2), float("nan"))
    assert PreviewProjector.fit(checkpoint().autoencoder).picture(unknown).size == (8, 8)


def test_a_preview_recovers_what_latents_hold_linearly() -> None:
    class Mean(Autoencoder):
        """Latents that are the mean colours of their block."""

        def encode(self, pixels: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
            colours = torch.nn.functional.avg_pool2d(pixels, self.config.downsample)
            return torch.cat([colours, colours.new_zeros(len(colours), 1, *colours.shape[2:])], dim=1)

    config = AutoencoderConfig(ch=32, ch_mult=(1, 1, 1), num_res_blocks=1, z_channels=4)
    preview = PreviewProjector.fit(Mean(config))
    red = preview.picture(torch.tensor([0.8, -0.8, -0.8, 0.0])[:, None, None].expand(4, 2, 2))
    r, g, b = red.getpixel((3, 3))
    assert r > 210 and g < 50 and b < 50


@pytest.mark.parametrize("size", [(256, 256), (512, 256), (96, 64), (300, 1000)])
def test_a_model_of_one_size_is_shown_no_other(size: tuple[int, int]) -> None:
    rule = Transform(256, 256, 32)
    assert shown_size(*size, ImageSizes((256, 256), 32, 256, 256), rule) == (256, 256)


def test_a_size_that_is_drawn_stays_and_any_other_goes_by_the_rule() -> None:
    canvas, rule = ImageSizes((1024, 1024), 16, 512, 1024), Transform(1024, 512, 16)
    assert shown_size(256, 128, canvas, rule) == (256, 128)
    assert shown_size(250, 250, canvas, rule) == (512, 512)
