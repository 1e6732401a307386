"""The autoencoder in tiles: where they lie, that none is forgotten, and that small pictures are untouched."""

from __future__ import annotations

import pytest
import torch

from engine.checkpoints.reader import load_checkpoint
from engine.model.tiles import apply_in_tiles, tile_starts
from tests.tiny import CKPT, checkpoint


@pytest.mark.parametrize(("length", "cells"), [(5, 8), (8, 8), (9, 8), (64, 32), (65, 32), (100, 7)])
def test_tiles_cover_a_side_and_overlap(length: int, cells: int) -> None:
    found = tile_starts(length, cells)
    assert found[0] == 0 and found[-1] == max(0, length - cells)
    assert all(later - earlier < cells for earlier, later in zip(found, found[1:], strict=False))


def test_work_that_looks_at_single_cells_comes_out_the_same() -> None:
    latent = torch.randn(1, 3, 21, 34)
    grown = apply_in_tiles(
        latent, 8, lambda x: x.repeat_interleave(4, 2).repeat_interleave(4, 3), unit=1, scale=4
    )
    assert torch.allclose(grown, latent.repeat_interleave(4, 2).repeat_interleave(4, 3), atol=1e-6)
    shrunk = apply_in_tiles(grown, 8, lambda x: x[:, :, ::4, ::4], unit=4, scale=1 / 4)
    assert torch.allclose(shrunk, latent, atol=1e-6)


def test_a_small_picture_is_the_same_to_the_last_bit_and_a_large_one_nearly() -> None:
    tiled, whole = load_checkpoint(CKPT, tile=64).autoencoder, checkpoint().autoencoder
    generator = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        small = torch.rand(1, 3, 64, 48, generator=generator) * 2 - 1
        assert torch.equal(tiled.encode(small), whole.encode(small))
        latent = whole.encode(small)
        assert torch.equal(tiled.decode(latent), whole.decode(latent))
        large = torch.rand(1, 3, 128, 160, generator=generator) * 2 - 1
        want = whole.encode(large)
        got = tiled.encode(large)
        assert got.shape == want.shape and (got - want).norm() / want.norm() < 0.4
        assert tiled.decode(want).shape == whole.decode(want).shape
