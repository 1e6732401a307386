"""The autoencoder and patches beyond what the recordings cover."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.model.autoencoder import Autoencoder, AutoencoderConfig, to_uint8
from engine.model.patches import grid_positions, patchify, unpatchify

SMALL = AutoencoderConfig(ch=32, ch_mult=(1, 1, 2), num_res_blocks=1, z_channels=4)


def test_it_trains_under_bf16_autocast_in_channels_last() -> None:
    torch.manual_seed(0)
    model = Autoencoder(SMALL).to(memory_format=torch.channels_last)
    pixels = (torch.rand(2, 3, 16, 24) * 2 - 1).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        mean, logvar = model.encode_moments(pixels)
        output = model.decode(model.to_latent(mean))
    assert mean.shape == logvar.shape == (2, 4, 4, 6)
    assert output.shape == pixels.shape
    (output.float() - pixels).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert model.encoder.conv_in.weight.grad is not None


def test_sizes_come_back_from_shapes() -> None:
    shapes = {k: tuple(v.shape) for k, v in Autoencoder(SMALL).state_dict().items()}
    assert AutoencoderConfig.from_shapes(shapes) == SMALL
    assert SMALL.downsample == 4


def test_posterior_noise_moves_the_latent() -> None:
    model = Autoencoder(SMALL)
    pixels = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        still = model.encode(pixels)
        assert not torch.equal(still, model.encode(pixels, torch.ones(1, 4, 4, 4)))
        assert torch.equal(still, model.encode(pixels, torch.zeros(1, 4, 4, 4)))


def test_grey_levels_are_truncated_and_clamped() -> None:
    levels = to_uint8(torch.tensor([-3.0, 3.0, 2 * 0.999 - 1]).reshape(3, 1, 1))
    assert levels.flatten().tolist() == [0, 255, 254]


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_unpatchify_undoes_patchify(patch: int, rows: int, columns: int, channels: int) -> None:
    image = torch.randn(channels, rows * patch, columns * patch)
    tokens = patchify(image, patch)
    assert tokens.shape == (rows * columns, patch * patch * channels)
    assert torch.equal(unpatchify(tokens, patch, rows, columns), image)


def test_pictures_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        patchify(torch.zeros(3, 15, 14), 14)
    with pytest.raises(ValueError, match="larger than the 4x4 position table"):
        grid_positions(2, 5, 4)
