"""The sizes of picture that a checkpoint can draw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.image_sizes import ImageSizes
from engine.core.settings import Settings

PUBLIC = ImageSizes((1024, 1024), 16, 512, 1024)
FIXED = ImageSizes((256, 256), 32, 256, 256)


def test_a_public_checkpoint_offers_the_released_shapes_the_usual_one_first():
    assert PUBLIC.offered() == ((1024, 1024), (768, 1024), (1024, 768), (576, 1024), (1024, 576))
    assert ImageSizes((512, 512), 16, 512, 512 + 256).offered() == ((512, 512),)


def test_a_model_of_one_size_offers_no_choice():
    assert FIXED.is_fixed and FIXED.offered() == ((256, 256),)
    FIXED.check(256, 256)
    with pytest.raises(ValueError, match="256 × 256 pixels and no other size"):
        FIXED.check(512, 256)


@pytest.mark.parametrize("size", [(16, 1024), (1024, 576), (496, 512)])
def test_any_multiple_of_the_unit_up_to_the_grid_fits(size):
    PUBLIC.check(*size)


@pytest.mark.parametrize("size", [(1040, 1024), (1000, 1024), (0, 512), (-16, 512)])
def test_others_are_refused_by_what_would_fit(size):
    with pytest.raises(ValueError, match=r"multiple of 16, at most 1024"):
        PUBLIC.check(*size)


@given(st.integers(8, 3000), st.integers(8, 3000))
def test_a_given_picture_is_fitted_to_a_size_that_can_be_drawn(height, width):
    if max(height, width) > 16 * min(height, width):
        return  # such a picture is refused when it is uploaded
    tall, wide = PUBLIC.fitting(height, width)
    PUBLIC.check(tall, wide)
    if max(height, width) < 1.9 * min(height, width):
        assert abs(tall / wide - height / width) < 0.08 * height / width
    assert FIXED.fitting(height, width) == (256, 256)


def test_a_panorama_is_small_rather_than_cut():
    assert PUBLIC.fitting(1000, 4000) == (256, 1024)


def test_settings_name_both_sides_or_neither():
    assert Settings(height=768, width=1024).size == (768, 1024)
    assert Settings().size is None
    for wrong in (
        {"height": 512},
        {"height": 500, "width": 512},
        {"height": 8192, "width": 16},
        {"height": 16.0, "width": 16},
    ):
        with pytest.raises(ValueError, match="height|width"):
            Settings(**wrong)
