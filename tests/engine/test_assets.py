"""Where shipped data files are found."""

from __future__ import annotations

import pytest

from engine.assets import asset


def test_the_protocols_texts_are_found():
    assert asset("protocols/process.toml").read_text().count("{prompt}") == 1


def test_a_missing_asset_is_named():
    with pytest.raises(FileNotFoundError, match="nothing-here.*incomplete"):
        asset("nothing-here")
