"""Low-rank adapters: they start as nothing, are all that is trained, and merge away."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from engine.checkpoints.files import TensorFiles
from engine.lab.training.adapters import add_adapters
from engine.lab.training.batch import PackedBatch
from engine.lab.training.dry_run import need
from engine.lab.training.export import AVERAGE, with_learned
from engine.lab.training.losses import training_losses
from engine.lab.training.optimiser import build_optimisers
from engine.lab.training.packing import NoisedSplit, Packer, TextSplit
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig
from tests.engine.model.test_packed_forward import TOKENS

CONFIG = BagelConfig(
    LanguageConfig(32, 2, 2, 1, 64, 96),
    VisionConfig(32, 1, 2, 64, patch_size=16, positions=64),
    16,
    2,
    8,
    32,
    8,
)


def batch() -> PackedBatch:
    generator = torch.Generator().manual_seed(0)
    picture = NoisedSplit(torch.randn(16, 4, 4, generator=generator))
    return Packer(CONFIG, TOKENS, generator=generator).pack([[TextSplit([7, 8, 9], loss=True), picture]])


def loss(model: Bagel, packed: PackedBatch) -> torch.Tensor:
    found = training_losses(model, packed)
    return found.ce_mean + found.mse_mean


def test_they_train_alone_and_merge_into_the_same_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, packed = Bagel.random(CONFIG, 0), batch()
    names = list(model.state_dict())
    frozen = {k: v.clone() for k, v in model.state_dict().items()}
    before = loss(model, packed).item()
    add_adapters(model, 4)
    assert loss(model, packed).item() == before
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) == need(CONFIG, gpus=1, tokens=1, rank=4).trained
    optimisers = build_optimisers(model, 3e-3, 1e-2)
    assert not optimisers[0].param_groups[0]["params"]
    for _ in range(10):
        loss(model, packed).backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
    after = loss(model, packed).item()
    assert after < 0.95 * before
    adapters = {AVERAGE + k: v.detach() for k, v in model.named_parameters() if v.requires_grad}
    save_file(adapters, tmp_path / "state.safetensors")
    model = Bagel.random(CONFIG, 0)
    learned = TensorFiles([tmp_path / "state.safetensors"])
    found = dict(with_learned(model.state_dict().items(), learned))
    assert list(found) == names
    model.load_state_dict(found)
    assert abs(loss(model, packed).item() - after) < 1e-5
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, frozen[k])}
    assert changed and all("_proj" in name for name in changed)
