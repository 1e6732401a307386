"""The recorded outputs of the reference model, held by quantised weights within a stated, looser threshold.

Errors are the largest difference over the recorded values' standard deviation. The recorded model is 64
wide with random weights, where rounding counts for far more than in a real one.
"""

from __future__ import annotations

from functools import partial

import pytest
import torch

from engine.checkpoints.reader import load_checkpoint
from engine.lab.parity import fixture as parity_fixture
from engine.lab.parity.cases import run_case
from engine.lab.parity.fixture import Fixture
from engine.lab.parity.golden import Golden
from tests.tiny import FOLDER

LARGEST = {"bf16": 0.15, "int8": 0.3, "fp8": 0.65, "nf4": 1.3}
"""Of the latents of whole pictures; measured 0.07, 0.16, 0.43 and 0.90."""

PICTURES = ("t2i_base", "edit_global")


@pytest.fixture(params=LARGEST)
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Fixture]:
    torch.set_num_threads(1)
    monkeypatch.setattr(
        parity_fixture, "load_checkpoint", partial(load_checkpoint, precision=request.param, head=True)
    )
    return request.param, Fixture(FOLDER)


def errors(fixture: Fixture, stem: str) -> dict[str, float]:
    recorded = Golden(FOLDER / "golden", stem).tensors
    checks = {check.name: check.error for check in run_case(fixture, stem).checks}
    return {name: checks[name] / float(recorded[name].std()) for name in checks if name in recorded}


def test_pictures_stay_near_the_recorded_ones(opened: tuple[str, Fixture]) -> None:
    precision, fixture = opened
    found = [errors(fixture, stem)["latents"] for stem in PICTURES]
    assert max(found) < LARGEST[precision]
    assert min(found) > 1e-4, "nothing was quantised"


def test_what_is_never_quantised_stays_exact(opened: tuple[str, Fixture]) -> None:
    precision, fixture = opened
    if precision != "bf16":
        assert run_case(fixture, "vit").ok and run_case(fixture, "vae").ok
