"""Where shipped data files are found."""

from __future__ import annotations

import json

import pytest

from engine import protocols
from engine.core.assets import asset, default_checkpoint


def test_the_protocols_texts_are_found():
    assert asset("protocols/process.toml").read_text().count("{prompt}") == 1


def test_a_missing_asset_is_named():
    with pytest.raises(FileNotFoundError, match="nothing-here.*incomplete"):
        asset("nothing-here")


def test_the_default_checkpoint_says_what_it_was_trained_on():
    config = json.loads((default_checkpoint() / "config.json").read_text())
    assert set(config["protocols"]) == set(protocols.supported_protocols(config)) >= {"process", "direct"}
    assert config["world"] == "storybook"
