"""The autoencoder's stage on a very small one: it learns and resumes; the decoder alone learns on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.lab.training import autoencoder as autoencoder_training
from engine.lab.training import provenance
from engine.lab.training.data.split import sample_held_out_scene
from engine.lab.training.group_norm import WrittenOutGroupNorm
from engine.model.autoencoder import Autoencoder
from tests.engine.lab.training.small import SMALL_AUTOENCODER


class TestTheAutoencoderStage:
    def test_it_learns_resumes_and_folds_its_normalisation(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(autoencoder_training, "CONFIG", SMALL_AUTOENCODER)
        monkeypatch.setattr(autoencoder_training, "HELD_OUT", 1)
        monkeypatch.setattr(autoencoder_training, "crop_size", lambda progress: (32, 4))
        weights = autoencoder_training.train(tmp_path, steps=5, device="cpu", pool=4)
        before = json.loads((tmp_path / "autoencoder.json").read_text())
        autoencoder_training.train(tmp_path, steps=15, device="cpu", pool=4)
        after = json.loads((tmp_path / "autoencoder.json").read_text())
        assert (before["steps"], after["steps"]) == (5, 15)
        (first,), (kept, last) = before["curve"], after["curve"]
        assert first == kept and last["psnr"] > first["psnr"]
        model = Autoencoder(SMALL_AUTOENCODER)
        model.load_state_dict(load_file(weights))
        pixels = autoencoder_training.to_pixels(autoencoder_training.picture_pool(1, 5))
        latent = model.encode(pixels)
        assert 0.3 < latent.std() < 3
        spread = torch.exp(0.5 * model.encode_moments(pixels)[1]) * SMALL_AUTOENCODER.scale_factor
        assert torch.allclose(spread, torch.full_like(spread, autoencoder_training.NOISE), rtol=1e-3)

    def test_the_decoder_alone_learns_on_and_the_encoder_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(autoencoder_training, "CONFIG", SMALL_AUTOENCODER)
        monkeypatch.setattr(autoencoder_training, "HELD_OUT", 1)
        monkeypatch.setattr(autoencoder_training.DecoderOnly, "crops", lambda self, progress: (32, 4))
        with pytest.raises(FileNotFoundError, match="train an autoencoder first"):
            autoencoder_training.train(tmp_path, steps=1, device="cpu", decoder_only=True)
        torch.manual_seed(0)
        before = {k: v.contiguous() for k, v in Autoencoder(SMALL_AUTOENCODER).state_dict().items()}
        save_file(before, tmp_path / "ae.safetensors")
        module = autoencoder_training.DecoderOnly(tmp_path / "ae.safetensors")
        held_out = autoencoder_training.to_pixels(
            autoencoder_training.picture_pool(1, 2, sample_held_out_scene)
        )
        first = autoencoder_training.quality(module, held_out)
        autoencoder_training.train(tmp_path, steps=12, device="cpu", pool=4, decoder_only=True)
        after = load_file(tmp_path / "ae.safetensors")
        changed = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
        assert changed == {"decoder"}
        (point,) = json.loads((tmp_path / "decoder.json").read_text())["curve"]
        assert point["psnr"] > first["psnr"] and point["ssim"] > first["ssim"]
        (stage,) = provenance.gather(tmp_path, seed=0, machine="here")
        assert (stage["stage"], stage["trained"]) == ("autoencoder", "decoder alone") and "ssim" in stage

    def test_the_written_out_group_norm_has_the_same_gradients(self) -> None:
        torch.manual_seed(0)
        norm = torch.nn.GroupNorm(4, 16)
        torch.nn.init.normal_(norm.weight)
        x, weigh = torch.randn(3, 16, 5, 7, requires_grad=True), torch.randn(3, 16, 5, 7)
        wanted = torch.autograd.grad((norm(x) * weigh).sum(), [x, norm.weight, norm.bias])
        norm.__class__ = WrittenOutGroupNorm
        found = torch.autograd.grad((norm(x) * weigh).sum(), [x, norm.weight, norm.bias])
        for a, b in zip(found, wanted, strict=True):
            assert torch.allclose(a, b, atol=1e-4)
