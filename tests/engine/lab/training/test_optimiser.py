"""Muon, its way over convolutions, the schedule and the moving average."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.lab.training.optimiser import (
    ConvolutionMuon,
    MovingAverage,
    Muon,
    rate_factor,
    split_parameters,
)
from engine.lab.training.state import load_state, read_log, save_state
from tests.engine.lab.training.small import small_model


class TestOptimiser:
    @pytest.mark.parametrize("shape", [(24, 8), (8, 24), (16, 16)])
    def test_muon_does_what_torch_s_own_does(self, shape: tuple[int, int]) -> None:
        torch.manual_seed(0)
        start, gradients = torch.randn(shape), torch.randn(3, *shape)
        ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
        mine = Muon([ours], 0.02, decay=0.01)
        reference = torch.optim.Muon(
            [theirs], lr=0.02, momentum=0.95, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        )
        for gradient in gradients:
            ours.grad, theirs.grad = gradient.clone(), gradient.clone()
            mine.step()
            reference.step()
        moved = (theirs - start).norm()
        assert (ours - theirs).norm() < 0.02 * moved

    def test_muon_moves_the_kernels_themselves(self) -> None:
        torch.manual_seed(0)
        kernel = torch.nn.Parameter(torch.randn(8, 4, 3, 3).contiguous(memory_format=torch.channels_last))
        before = kernel.detach().clone()
        kernel.grad = torch.randn_like(kernel)
        ConvolutionMuon([kernel], 1e-2).step()
        assert not torch.equal(kernel, before)

    def test_matrices_of_the_blocks_and_the_rest_are_told_apart(self) -> None:
        model = small_model()
        matrices, others = split_parameters(model)
        assert all(m.ndim == 2 for m in matrices)
        assert sum(p.numel() for p in [*matrices, *others]) == sum(p.numel() for p in model.parameters())
        assert any(p is model.llm2vae.weight for p in others)

    def test_rates_warm_up_and_come_down(self) -> None:
        assert rate_factor(0.0) < rate_factor(0.005) < rate_factor(0.01) == 1
        assert rate_factor(1.0) == pytest.approx(0.02)
        assert rate_factor(0.005, schedule="constant") < 1 == rate_factor(1.0, schedule="constant")

    def test_the_average_follows_and_the_state_comes_back(self, tmp_path: Path) -> None:
        model = torch.nn.Linear(3, 2)
        average = MovingAverage(model, 3)
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
        for step in range(3):
            model(torch.ones(1, 3)).sum().backward()
            optimiser.step()
            average.update(model, step)
        assert not torch.equal(average.shadow["weight"], model.weight)
        path, log = tmp_path / "s.state.safetensors", {"steps": 3}
        save_state(path, {"m": model}, [optimiser], log, average=average.shadow)
        other = torch.nn.Linear(3, 2)
        fresh = torch.optim.AdamW(other.parameters(), lr=0.1)
        tensors = load_state(path, {"m": other}, [fresh])
        assert torch.equal(other.weight, model.weight)
        assert torch.equal(tensors["average"]["weight"], average.shadow["weight"])
        assert fresh.state_dict()["state"][0]["step"] == 3
        assert read_log(path) == log == json.loads((tmp_path / "s.json").read_text())
