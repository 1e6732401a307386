"""What a tab is told of the model's pace."""

from __future__ import annotations

from studio.views import paces


def test_a_pace_is_told_for_every_way_of_working_whose_steps_were_all_measured():
    assert paces({}) == {}
    assert paces({"plan": 1.0, "sketch": 4.0}) == {}
    measured = {"plan": 1.0, "sketch": 4.0, "inspect": 2.0, "image": 5.0}
    assert paces(measured) == {"process": 7.0, "direct": 5.0}
    assert paces({"image": 5.0, "think": 3.0}) == {"direct": 5.0, "think": 8.0, "irg": 8.0}
