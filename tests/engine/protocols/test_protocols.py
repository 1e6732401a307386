"""The grammars: what follows what, what the model is shown, and how its text is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import protocols
from engine.core.parts import ImagePart, TextPart
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.protocols.base import Choose, Draw, ParseError, Stop, Write, neutral
from engine.protocols.process import inspect_text, plan_text, prompt_text

PROCESS, DIRECT = protocols.get("process"), protocols.get("direct")
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "<ins>",
                "</ins>",
                "<\\ins>",
                "<des>",
                "</des>",
                "<refine>",
                "</refine>",
                "<\\refine>",
                "< / refine >",
            ]
            + [
                "<|vision_start|>",
                "<|im_end|>",
                "<think>",
                "<",
                ">",
                "<INS>",
                "Artist: ",
                "{prompt}",
                "\n",
                "/",
            ]
        ),
        st.text(max_size=8),
    ),
    max_size=8,
).map("".join)


def path(*kinds: str, correction: str = "") -> list[Step]:
    steps = [Step(None, "prompt", "person", {"text": "a red house"})]
    for kind in kinds:
        parent = steps[-1].id
        match kind:
            case "plan":
                step = Step(parent, kind, "model", {"instruction": "Add it.", "description": "It is there."})
            case "think" | "reflect":
                step = Step(parent, kind, "model", {"text": f"{kind} {len(steps)}"})
            case "inspect" | "fault":
                words = correction or "Make it red."
                fields = {"verdict": "Seen.", "correction": words if kind == "fault" else ""}
                step = Step(parent, "inspect", "model", fields)
            case _:
                step = Step(parent, kind, "model", image=f"{len(steps):064x}")
        steps.append(step)
    return steps


@pytest.mark.parametrize(
    ("kinds", "follows"),
    [
        ((), ("write", "plan")),
        (("plan",), ("draw", "sketch")),
        (("plan", "sketch"), ("write", "inspect")),
        (("plan", "sketch", "fault"), ("draw", "refine")),
        (("plan", "sketch", "inspect"), ("choose", None)),
        (("plan", "sketch", "fault", "refine"), ("choose", None)),
    ],
)
def test_each_step_of_the_process_is_followed_by_its_next(kinds, follows):
    ask = PROCESS.next(path(*kinds), Settings())
    kind_of = {Write: "write", Draw: "draw", Choose: "choose"}[type(ask)]
    assert (kind_of, getattr(ask, "kind", None)) == follows


def test_the_model_chooses_between_a_plan_and_the_end():
    steps = path("plan", "sketch", "inspect")
    assert PROCESS.next(steps, Settings()).options == {"text": "plan", "end": "end"}
    assert PROCESS.next(steps, Settings(), chosen="plan").kind == "plan"
    stop = PROCESS.next(steps, Settings(), chosen="end")
    assert isinstance(stop, Stop) and stop.finished


def test_the_rounds_cap_ends_a_trajectory_that_would_go_on_but_not_one_that_is_complete():
    steps, capped = path("plan", "sketch", "inspect"), Settings(max_rounds=1)
    stop = PROCESS.next(steps, capped, chosen="plan")
    assert isinstance(stop, Stop) and not stop.finished and "1 round" in stop.reason
    assert PROCESS.next(steps, capped, chosen="end").finished


@pytest.mark.parametrize("kinds", [("plan",), ("plan", "sketch", "fault")])
def test_the_picture_cap_stops_before_a_picture(kinds):
    steps = path("plan", "sketch", "inspect", *kinds)
    stop = PROCESS.next(steps, Settings(max_images=sum(s.image is not None for s in steps)))
    assert isinstance(stop, Stop) and not stop.finished and "picture" in stop.reason
    assert isinstance(PROCESS.next(steps, Settings()), Draw)


def test_guidance_contexts_leave_out_the_newest_text_or_every_picture():
    steps = path("plan", "sketch", "fault")
    draw = PROCESS.next(steps, Settings())
    assert draw.parts == PROCESS.parts(steps)
    assert draw.text_free == draw.parts[:-1]
    assert draw.image_free == tuple(s for s in draw.parts if isinstance(s, TextPart))
    assert ImagePart(steps[2].image) in draw.text_free


def test_direct_draws_once_from_the_bare_prompt():
    draw = DIRECT.next(path(), Settings())
    assert (draw.kind, draw.parts, draw.text_free) == ("image", (TextPart("a red house"),), ())
    assert DIRECT.next(path("image"), Settings()).finished


def test_text_forms_are_the_ones_the_checkpoint_was_trained_on():
    assert prompt_text("a cat") == "Please create the image step-by-step: a cat"
    assert plan_text("Add a cat.", "A cat.") == "<ins>Add a cat.</ins><des>A cat.</des>"
    assert plan_text("Add a cat.", "", "person") == "Artist: <ins>Add a cat.</ins><des></des>"
    assert inspect_text("Fits.") == "Fits."
    assert inspect_text("Wrong.", "Remove it.", "person") == "Artist: Wrong.<refine>Remove it.</refine>"


@pytest.mark.parametrize(
    "raw",
    [
        "<ins>Add a cat.</ins><des>A cat.</des>",
        "<ins>Add a cat.<\\ins> <des>A cat.<\\des>",
        "<ins> Add a cat. <des> A cat.",
        'Sure: "<ins>Add a cat.</ins>" and "<des>A cat.</des>" there.',
        "Add a cat.</ins><des>A cat.</des",
        "<INS>Add a cat.<INS><DES>A cat.<DES>",
        '<ins>"Add a cat."</ins><des>"A cat.</des>',
        "Artist: <ins>Add a cat.</ins><des>A cat.</des><ins>Add a dog.</ins>",
    ],
)
def test_a_plan_is_read_through_its_usual_slips(raw):
    assert PROCESS.parse("plan", raw) == {"instruction": "Add a cat.", "description": "A cat."}


@pytest.mark.parametrize(
    ("raw", "verdict", "correction"),
    [
        ("It fits so far.", "It fits so far.", ""),
        ("Wrong. <refine>Remove it.</refine>", "Wrong.", "Remove it."),
        ("Wrong. <refine>Remove it.<\\refine>.", "Wrong.", "Remove it."),
        ('"Wrong. <refine> Remove it.', "Wrong.", "Remove it."),
        ("<refine>Remove it.</refi", "", "Remove it."),
        ("It fits. <refine></refine>", "It fits.", ""),
        ("It fits. <ins>Add a cat.</ins>", "It fits.", ""),
        ("One house, not two: 1 < 2", "One house, not two: 1 < 2", ""),
        ('The sign says "open".', 'The sign says "open".', ""),
    ],
)
def test_an_inspection_is_read_through_its_usual_slips(raw, verdict, correction):
    assert PROCESS.parse("inspect", raw) == {"verdict": verdict, "correction": correction}


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("plan", ""),
        ("plan", "Add a cat."),
        ("plan", "<ins> </ins><des>A cat.</des>"),
        ("plan", "<des>A cat.</des>"),
        ("inspect", " \n"),
        ("inspect", "<ins>Add a cat.</ins><des>A cat.</des>"),
    ],
)
def test_what_lacks_its_main_part_is_refused_with_a_reason(kind, raw):
    with pytest.raises(ParseError, match=r"it (is|has) "):
        PROCESS.parse(kind, raw)


@given(HOSTILE, HOSTILE)
def test_no_words_of_a_person_add_a_field_or_leak_into_another(instruction, description):
    shown = plan_text("A" + instruction + "Z", "B" + description + "Y", "person")
    inner = shown.removeprefix("Artist: <ins>").removesuffix("</des>").replace("</ins><des>", "", 1)
    assert neutral(inner) == inner.strip()
    fields = PROCESS.parse("plan", shown)
    expected = (neutral("A" + instruction + "Z"), neutral("B" + description + "Y"))
    assert tuple(fields.values()) == tuple(text.replace("\0", "") for text in expected)


@given(HOSTILE)
def test_no_verdict_of_a_person_asks_for_a_refine_by_its_tags(verdict):
    assert PROCESS.parse("inspect", inspect_text("V" + verdict, "", "person"))["correction"] == ""


@given(HOSTILE)
def test_neutral_text_has_no_tag_left_and_is_stable(text):
    once = neutral(text)
    assert neutral(once) == once
    for tag in ("<ins>", "</ins>", "<\\ins>", "<|", "<think>", "</refine>"):
        assert tag not in once.lower()


def test_neutral_leaves_plain_signs_alone():
    assert neutral("2 < 3, a -> b, I <3 it ") == "2 < 3, a -> b, I <3 it"
    assert neutral("</ins> <|vision_start|>") == "‹/ins› ‹|vision_start|›"


def test_unknown_protocols_and_empty_trajectories_are_refused():
    with pytest.raises(ValueError, match="process, direct"):
        protocols.get("magic")
    for name in protocols.NAMES:
        with pytest.raises(ValueError, match="empty"):
            protocols.get(name).next([], Settings())


def test_a_nul_that_no_database_keeps_is_dropped() -> None:
    assert PROCESS.parse("inspect", "The car\0 is red.") == {"verdict": "The car is red.", "correction": ""}
    with pytest.raises(ParseError, match="empty"):
        PROCESS.parse("plan", "\0 \n")
