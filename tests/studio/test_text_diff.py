"""What is said about a change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.trajectory import Step
from studio.text_diff import branch_name, changed_things, edit_name, marks

RED = "Paint a meadow at night and add a red house left of a green tree."


@pytest.mark.parametrize(
    ("new", "things"),
    [
        (RED.replace("red", "blue"), ("red house", "blue house")),
        (RED.replace("green tree", "white boat"), ("green tree", "white boat")),
        (RED.replace("house", "boat"), ("house", "boat")),
        (RED.replace("red house", "small yellow boat"), ("red house", "small yellow boat")),
        (RED.replace("red", "small blue"), ("red house", "small blue house")),
        (RED.replace("red", "small red"), ("", "small red house")),
        (RED + " Then a cat.", ("", "cat")),
        (RED, ("", "")),
        ("", ("Paint meadow night red house green tree"[:0], "")),
    ],
)
def test_the_first_thing_that_changed(new: str, things: tuple[str, str]):
    assert changed_things(RED, new) == things


@given(st.text(max_size=80), st.text(max_size=80))
def test_marks_join_to_the_new_text(old: str, new: str):
    assert "".join(piece for piece, _ in marks(old, new)) == new


def test_marks_show_only_what_changed():
    assert [piece for piece, changed in marks(RED, RED.replace("red", "blue")) if changed] == ["blue"]


def test_marks_run_on_over_the_blanks_between_changed_words():
    new = RED.replace("red house", "small yellow boat")
    assert [piece for piece, changed in marks(RED, new) if changed] == ["small yellow boat"]


def test_a_very_long_text_is_not_compared():
    assert marks("a " * 2000, "b " * 2000) == [("b " * 2000, False)]


def test_branch_names_are_short_on_one_line_and_free():
    assert branch_name([], "blue\nhouse") == "blue house"
    assert branch_name(["blue house", "blue house 2"], "blue house") == "blue house 3"
    assert len(branch_name([], "x" * 500)) <= 32


def test_an_accepted_inspection_is_named_so():
    old = Step("p", "inspect", "model", {"verdict": "Pale.", "correction": "Make it stronger."})
    assert edit_name(old, {"verdict": "Pale.", "correction": ""}) == "accepted as it is"
    assert edit_name(old, {"verdict": "Pale.", "correction": "Make it weaker."}) == "weaker"
