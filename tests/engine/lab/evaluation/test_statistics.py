"""Means, intervals and the best of N, against values worked out by hand."""

from __future__ import annotations

import pytest

from engine.lab.evaluation.comparisons import best_of, over
from engine.lab.evaluation.statistics import (
    chance_of_one,
    mean_of_groups,
    summary,
    summary_with_median,
    with_overall,
)


def test_a_mean_with_its_interval() -> None:
    found = summary([0, 1] * 50)
    assert (found["mean"], found["n"]) == (0.5, 100)
    low, high = found["ci95"]
    # The normal interval of 50 in 100 is 0.402 to 0.598.
    assert low == pytest.approx(0.402, abs=0.025) and high == pytest.approx(0.598, abs=0.025)


def test_the_same_values_have_the_same_interval_and_more_have_a_narrower_one() -> None:
    assert summary([0, 0.25, 1]) == summary([0, 0.25, 1])
    few, many = summary([0, 1] * 5)["ci95"], summary([0, 1] * 200)["ci95"]
    assert many[1] - many[0] < (few[1] - few[0]) / 4


def test_values_that_agree_leave_no_doubt() -> None:
    assert summary([0.75] * 8) == {"mean": 0.75, "ci95": [0.75, 0.75], "n": 8}


def test_no_values_are_no_figure() -> None:
    assert summary([]) == {"mean": None, "ci95": None, "n": 0}


def test_the_overall_figure_weighs_every_tag_alike() -> None:
    found = with_overall({"many": [1] * 90, "few": [0] * 10})
    assert found["overall"] == {"mean": 0.5, "ci95": [0.5, 0.5], "n": 100}
    assert found["many"]["mean"] == 1
    assert mean_of_groups([[1, 0], []])["mean"] == 0.5


def test_a_median_beside_the_mean() -> None:
    found = summary_with_median([1, 1, 1, 6])
    assert (found["mean"], found["median"]) == (2.25, 1)
    assert summary_with_median([])["median"] is None


@pytest.mark.parametrize(
    ("right", "of", "n", "chance"),
    [
        (0, 4, 3, 0.0),
        (1, 4, 1, 0.25),
        (1, 4, 2, 0.5),
        (2, 4, 2, 5 / 6),
        (4, 4, 1, 1.0),
        (1, 4, 1.5, 0.375),
        (1, 4, 4, 1.0),
    ],
)
def test_the_chance_that_one_of_n_is_right(right: int, of: int, n: float, chance: float) -> None:
    assert chance_of_one(right, of, n) == pytest.approx(chance)


@pytest.mark.parametrize("n", [0.5, 4.01])
def test_more_pictures_than_were_drawn_tell_nothing(n: float) -> None:
    with pytest.raises(ValueError, match="draw more"):
        chance_of_one(1, 4, n)


def test_the_best_of_n_costs_what_the_other_run_costs() -> None:
    direct = {"images": 4, "updates": 24.0, "hits": {"counting": [1, 3], "position": [0, 0]}}
    figures, n = best_of(direct, {"updates": 48.0})
    assert n == 2
    assert figures["counting"]["mean"] == pytest.approx((0.5 + 1) / 2)
    assert figures["overall"]["mean"] == pytest.approx(0.375)
    _, n = best_of(direct, {"updates": 12.0})
    assert n == 1, "a cheaper run still gets one picture"


def test_a_protocol_over_another_is_held_prompt_by_prompt() -> None:
    direct = {"images": 4, "hits": {"counting": [0, 4], "colours": [2, 2]}}
    other = {"images": 2, "hits": {"counting": [1, 2], "colours": [2, 2]}}
    found = over(direct, other)
    assert found["counting"]["mean"] == 0.25 and found["counting"]["n"] == 2
    assert found["colours"] == {"mean": 0.5, "ci95": [0.5, 0.5], "n": 2}, "paired: no doubt where all gain"
    assert found["overall"]["mean"] == 0.375
