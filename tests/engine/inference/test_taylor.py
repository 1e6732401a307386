"""Drafts: which updates are guessed, how, and that a final picture has none of it."""

from __future__ import annotations

import pytest
import torch

from engine.inference.flow import Guidance, sample
from engine.inference.prefill import Context
from engine.inference.taylor import EVERY, FIRST_EVALUATED, TaylorPredictor, draft_timesteps, is_evaluated
from tests.tiny import checkpoint, new_cache, text


def test_of_49_updates_19_are_evaluated() -> None:
    full = [update for update in range(49) if is_evaluated(update)]
    assert len(full) == 19 and full[:7] == [0, 1, 2, 3, 4, 7, 10] and full[-1] == 46


def test_a_straight_line_is_guessed_exactly_and_a_constant_without_differences() -> None:
    line = TaylorPredictor()
    assert not line
    for update in range(FIRST_EVALUATED):
        line.add(update, torch.tensor([2.0 * update, 1.0]))
    assert torch.allclose(line.predict(FIRST_EVALUATED + 1), torch.tensor([2.0 * (FIRST_EVALUATED + 1), 1.0]))
    early = TaylorPredictor()
    early.add(0, torch.tensor([5.0]))
    early.add(1, torch.tensor([7.0]))
    assert early.predict(2).item() == 7.0, "the first full updates say nothing of a slope"


def test_differences_are_over_the_updates_between() -> None:
    series = TaylorPredictor()
    for update in [*range(FIRST_EVALUATED), FIRST_EVALUATED - 1 + EVERY]:
        series.add(update, torch.tensor([3.0 * update]))
    assert series.predict(9).item() == pytest.approx(27.0)


@pytest.mark.parametrize(("points", "drafted"), [(50, 25), (25, 13), (17, 9), (9, 9), (6, 6), (2, 2)])
def test_a_draft_has_half_the_updates_but_not_too_few(points: int, drafted: int) -> None:
    assert draft_timesteps(points) == drafted


def drawn(guidance: Guidance, **how: bool):
    one, condition = checkpoint(), new_cache().build([text("A red car")])[0]
    noise = torch.randn(6, 64, generator=torch.Generator().manual_seed(0))
    return [
        *sample(
            one.model, one.tokenizer.tokens, noise, (2, 3), condition, text_free=Context(),
            image_free=condition, guidance=guidance, timesteps=14, shift=3.0, **how,
        )
    ]  # fmt: skip


def test_guessed_updates_cost_no_pass_and_change_the_picture() -> None:
    exact, draft = drawn(Guidance(4.0)), drawn(Guidance(4.0), extrapolate=True)
    assert (exact[-1].forwards, draft[-1].forwards) == (26, 14)
    assert torch.equal(exact[4].x, draft[4].x) and not torch.equal(exact[5].x, draft[5].x)
    gap = (exact[-1].x - draft[-1].x).norm() / exact[-1].x.norm()
    assert gap < 0.2


def test_a_branch_that_joins_late_is_evaluated_before_it_is_guessed() -> None:
    late = drawn(Guidance(4.0, low=0.0, high=0.85), extrapolate=True)
    assert late[-1].forwards > 14 - 6 and all(torch.isfinite(update.x).all() for update in late)
