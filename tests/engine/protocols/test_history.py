"""What the model is still shown of a long trajectory."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from engine import protocols
from engine.core.parts import ImagePart
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.protocols.history import DROP_AT_ONCE, MAX_PICTURES, pictures_in_history, truncate_history
from tests.engine.protocols.test_protocols import path

FAULT = ("plan", "sketch", "fault", "refine")
FINE = ("plan", "sketch", "inspect")


def kinds(steps: list[Step]) -> list[str]:
    return [step.kind for step in steps]


def test_a_short_trajectory_is_remembered_whole():
    steps = path(*FAULT, *FINE)
    assert truncate_history(steps) == steps


def test_without_rejected_sketches_they_leave_with_their_inspection_but_not_from_the_last_round():
    steps = path(*FAULT, *FAULT)
    assert kinds(truncate_history(steps, keep_rejected=False)) == [
        "prompt",
        "plan",
        "refine",
        *FAULT[:2],
        "inspect",
        "refine",
    ]
    assert (pictures_in_history(steps), pictures_in_history(steps, keep_rejected=False)) == (4, 3)


def test_a_fault_that_nobody_redrew_stays():
    steps = path("plan", "sketch", "fault", *FINE)
    assert truncate_history(steps, keep_rejected=False) == steps


def test_when_there_are_too_many_rejected_sketches_leave_first():
    rounds = MAX_PICTURES // 2 + 1
    steps = path(*FAULT * rounds)
    shown = truncate_history(steps)
    assert pictures_in_history(steps) == rounds + 1
    assert kinds(shown).count("plan") == rounds, "no round has left"


def test_then_the_oldest_rounds_leave_several_at_once_and_the_last_stays_whole():
    counts = []
    for rounds in range(MAX_PICTURES, MAX_PICTURES + 2 * DROP_AT_ONCE + 2):
        steps = path(*FINE * rounds)
        shown = truncate_history(steps)
        counts.append(pictures_in_history(steps))
        assert shown[0] == steps[0] and shown[-3:] == steps[-3:]
        assert shown[1:] == steps[len(steps) - len(shown) + 1 :], "what stays is without gaps"
    low = MAX_PICTURES - DROP_AT_ONCE + 1
    run_up = list(range(low, MAX_PICTURES + 1))
    assert counts == [MAX_PICTURES, *run_up, *run_up, low]


def test_with_room_for_fewer_the_oldest_accepted_pictures_leave_first_and_the_newest_never():
    for most in range(1, MAX_PICTURES):
        for rounds in range(1, 12):
            steps = path(*FAULT * rounds, "plan")
            shown = truncate_history(steps, most=most)
            pictures = [step for step in shown if step.image]
            accepted = [step for step in steps if step.kind == "refine"]
            assert 1 <= len(pictures) == pictures_in_history(steps, most=most) <= most
            assert pictures[-1] == accepted[-1] and shown[0] == steps[0] and shown[-1] == steps[-1]
            if len(pictures) < 2 * rounds:  # what is left of them is accepted, newest last, without gaps
                assert pictures == accepted[len(accepted) - len(pictures) :]


def test_the_last_round_stays_whole_however_little_room_there_is():
    steps = path(*FAULT * 4)
    assert [step.id for step in truncate_history(steps, most=2)] == [steps[0].id, *(s.id for s in steps[-4:])]
    assert pictures_in_history(steps, keep_rejected=False, most=2) == 2


def test_a_start_picture_and_the_newest_are_all_when_there_is_room_for_two():
    root = path()[0]
    start = Step(root.id, "image", "person", image="f" * 64, recipe={"start": "upload"})
    for stages in (FAULT, FAULT * 2, (*FAULT, "plan"), (*FAULT, *FAULT[:3])):
        steps = [root, start, *path(*stages)[1:]]
        shown = [step.image for step in truncate_history(steps, most=2) if step.image]
        assert shown == [start.image, next(step.image for step in reversed(steps) if step.image)]


def test_a_picture_to_start_from_always_stays():
    root = path()[0]
    steps = [root, Step(root.id, "image", "person", image="f" * 64, recipe={"start": "upload"})]
    for step in path(*FINE * 30)[1:]:
        steps.append(Step(steps[-1].id, step.kind, step.author, step.fields, step.image))
    shown = truncate_history(steps)
    assert shown[:2] == steps[:2] and pictures_in_history(steps) <= MAX_PICTURES


@given(
    st.lists(st.sampled_from([FINE, FAULT, ("plan", "sketch", "fault"), ("reflect", "image")]), max_size=40),
    st.booleans(),
)
def test_never_too_many_never_out_of_order_and_never_without_prompt_and_end(rounds, kept):
    steps = path(*(kind for each in rounds for kind in each))
    shown = truncate_history(steps, keep_rejected=kept)
    assert pictures_in_history(steps, keep_rejected=kept) <= MAX_PICTURES
    assert shown[0] == steps[0] and shown[-1] == steps[-1]
    places = [steps.index(step) for step in shown]
    assert places == sorted(set(places))


def test_every_driver_keeps_to_the_room_there_is():
    steps = path(*FINE * 6)
    for grammar in (*protocols.trained_protocols().values(), *protocols.guided_protocols().values()):
        if grammar.name == "direct":
            continue  # one picture is all it draws
        ask = replace(grammar, max_pictures=3).next(steps, Settings(max_rounds=9, turns=3))
        shown = [part.digest for part in ask.parts if isinstance(part, ImagePart)]
        assert shown == [step.image for step in steps if step.image][-len(shown) :] and 1 <= len(shown) <= 3


def test_every_driver_shows_the_history_and_counts_what_is_there():
    steps = path(*FAULT * 3, *FINE)
    for grammar in (protocols.get("process"), protocols.guided_protocols()["process"], protocols.get("irg")):
        for kept in (True, False):
            ask = grammar.next(steps, Settings(keep_rejected=kept, max_rounds=9))
            pictures = sum(isinstance(part, ImagePart) for part in ask.parts)
            assert pictures == pictures_in_history(steps, keep_rejected=kept)
    assert (
        protocols.get("process")
        .next(steps, Settings(max_rounds=4), chosen="plan")
        .reason.startswith("The limit of 4")
    )
