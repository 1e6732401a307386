"""Trajectories that begin from a picture: what follows, and what each way of working shows the model."""

from __future__ import annotations

import pytest

from engine import protocols
from engine.core.parts import ImagePart, TextPart
from engine.core.reflection import REFLECTIONS
from engine.core.settings import Settings
from engine.core.trajectory import Step, round_numbers
from engine.protocols.base import Choose, Draw, Stop, Write
from engine.protocols.edits import EDIT

ROOT = Step(None, "prompt", "person", {"text": "make it night"})
PICTURE = ImagePart("f" * 64)
START = Step(ROOT.id, "image", "person", image=PICTURE.digest, recipe={"start": "upload"})
WORDS = TextPart("make it night")
STARTED = [ROOT, START]


def after(steps: list[Step], kind: str, **payload: object) -> list[Step]:
    return [*steps, Step(steps[-1].id, kind, "model", **payload)]


def test_a_replaced_picture_is_none_to_start_from():
    replaced = Step(ROOT.id, "image", "person", image=PICTURE.digest, recipe={"edited_from": "x"})
    assert START.is_start and not replaced.is_start
    assert isinstance(protocols.get("direct").next([ROOT, replaced], Settings()), Stop)


def test_it_opens_no_round():
    plan = {"instruction": "Add it.", "description": ""}
    assert round_numbers(after(STARTED, "plan", fields=plan)) == [0, 0, 1]


def test_direct_edits_it_as_the_public_model_does():
    """As in the public release: without text the image is left of [image, text], without image the text."""
    draw = protocols.get("direct").next(STARTED, Settings())
    assert (draw.parts, draw.text_free, draw.image_free) == ((PICTURE, WORDS), (PICTURE,), (WORDS,))
    assert draw.preset == EDIT
    assert isinstance(protocols.get("direct").next(after(STARTED, "image", image="a" * 64), Settings()), Stop)


def test_it_spends_none_of_the_pictures():
    assert isinstance(protocols.get("direct").next(STARTED, Settings(max_images=1)), Draw)


@pytest.mark.parametrize("guided", [False, True])
def test_think_looks_at_it_first_and_its_guidance_drops_the_thought(guided):
    grammar = protocols.guided_protocols()["think"] if guided else protocols.get("think")
    system = (TextPart(grammar.texts["system"]),) if guided else ()
    ask = grammar.next(STARTED, Settings())
    assert (type(ask), ask.kind, ask.parts) == (Write, "think", (*system, PICTURE, WORDS))
    draw = grammar.next(after(STARTED, "think", fields={"text": "Dark."}), Settings())
    assert draw.parts == (*system, PICTURE, WORDS, TextPart("<think>Dark.</think>"))
    assert (draw.text_free, draw.image_free) == ((*system, PICTURE), (*system, WORDS))
    assert draw.preset == EDIT


def test_irg_reflects_on_it_even_in_one_turn():
    grammar = protocols.get("irg")
    ask = grammar.next(STARTED, Settings(turns=1))
    assert (ask.kind, ask.parts) == ("reflect", (PICTURE, WORDS))
    reflected = after(STARTED, "reflect", fields={"text": "Too bright."})
    draw = grammar.next(reflected, Settings(turns=1, reflection="firm"))
    thought = TextPart("<think>Too bright.</think>")
    assert draw.parts == (PICTURE, WORDS, thought)
    assert (draw.text_free, draw.image_free) == ((PICTURE, WORDS), (WORDS, thought))
    assert draw.preset == REFLECTIONS["firm"]
    assert isinstance(grammar.next(after(reflected, "image", image="a" * 64), Settings(turns=1)), Stop)


def test_the_process_plans_from_it_whoever_drives_and_only_the_guided_one_may_end_there():
    ask = protocols.get("process").next(STARTED, Settings())
    assert (ask.kind, ask.may_end, ask.parts[-1]) == ("plan", False, PICTURE)
    ask = protocols.guided_protocols()["process"].next(STARTED, Settings())
    assert (ask.kind, ask.may_end, ask.parts[0]) == ("plan", True, PICTURE)
    assert "begun from a picture" in ask.parts[1].text


@pytest.mark.parametrize(
    ("correction", "follows"), [("", (Choose, None)), ("Make it dark.", (Draw, "refine"))]
)
def test_an_inspection_of_it_in_an_older_session_is_gone_on_from(correction: str, follows: tuple):
    """The native process once inspected it first; such trajectories are kept and can be continued."""
    inspect = {"verdict": "It is day.", "correction": correction}
    ask = protocols.get("process").next(after(STARTED, "inspect", fields=inspect), Settings())
    assert (type(ask), getattr(ask, "kind", None)) == follows


def test_both_published_scales_of_a_reflection_can_be_chosen():
    scales = {name: (p["guidance"], p["image_guidance"]) for name, p in REFLECTIONS.items()}
    assert scales == {"gentle": (2.0, 2.0), "firm": (4.0, 2.0)}
    with pytest.raises(ValueError, match="reflection"):
        Settings(reflection="wild")
