"""The 7B release, by its published sizes alone: as many tensors and parameters as its files hold."""

from __future__ import annotations

import torch

from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig


def test_the_release_has_1223_tensors_and_14_6_billion_parameters() -> None:
    language = LanguageConfig(3584, 28, 28, 4, 18944, 152064)
    with torch.device("meta"):
        state = Bagel(BagelConfig(language, VisionConfig(1152, 26, 16, 4304))).state_dict()
    assert len(state) == 1223
    assert round(sum(v.numel() for v in state.values()) / 1e6) == 14607


def test_its_autoencoder_has_244_tensors_and_83_8_million_parameters() -> None:
    with torch.device("meta"):
        state = Autoencoder(AutoencoderConfig()).state_dict()
    assert len(state) == 244
    assert round(sum(v.numel() for v in state.values()) / 1e5) == 838
