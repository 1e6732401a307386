"""The think and irg protocols: what follows what, guidance contexts, presets, and how texts are read."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import protocols
from engine.core.events import RunDone, StepFinished
from engine.core.parts import ImagePart, TextPart
from engine.core.reflection import REFLECTIONS
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.protocols.base import Draw, ParseError, Stop, Write, neutral
from engine.protocols.process import plan_text
from engine.protocols.thoughts import prompt_text, read_thought, reflection, thought_text
from engine.runs.opened_model import OpenedModel
from engine.runs.runner import run_trajectory
from tests.scripted import MemoryRecorder, scripted_model

IRG, THINK, PROCESS, DIRECT = (protocols.get(name) for name in ("irg", "think", "process", "direct"))
PRESET = REFLECTIONS["gentle"]
FIELDS = {
    "plan": {"instruction": "Add it.", "description": "It is there."},
    "inspect": {"verdict": "Seen.", "correction": ""},
    "fault": {"verdict": "Seen.", "correction": "Make it red."},
}


def path(*kinds: str) -> list[Step]:
    steps = [Step(None, "prompt", "person", {"text": "a red house"})]
    for kind in kinds:
        parent = steps[-1].id
        if kind in ("think", "reflect"):
            step = Step(parent, kind, "model", {"text": f"{kind} {len(steps)}"})
        elif kind in FIELDS:
            step = Step(parent, "inspect" if kind == "fault" else kind, "model", FIELDS[kind])
        else:
            step = Step(parent, kind, "model", image=f"{len(steps):064x}")
        steps.append(step)
    return steps


def shown(*steps: Step) -> tuple[TextPart | ImagePart, ...]:
    """Prompt, thoughts and pictures as an irg model sees them."""
    form = {"prompt": "{text}", "think": "<think>{text}</think>", "reflect": "<think>{text}</think>"}
    return tuple(ImagePart(s.image) if s.image else TextPart(form[s.kind].format(**s.fields)) for s in steps)


class TestOrder:
    @pytest.mark.parametrize(
        ("protocol", "kinds", "turns", "follows"),
        [
            (THINK, (), 2, (Write, "think")),
            (THINK, ("think",), 2, (Draw, "image")),
            (THINK, ("think", "image"), 2, "is drawn."),
            (IRG, (), 2, (Write, "think")),
            (IRG, ("think",), 2, (Draw, "image")),
            (IRG, ("think", "image"), 2, (Write, "reflect")),
            (IRG, ("think", "image", "reflect"), 2, (Draw, "image")),
            (
                IRG,
                ("think", "image", "reflect", "image"),
                2,
                "drawn again once.",
            ),
            (IRG, ("think", "image"), 1, "is drawn."),
            (IRG, ("think", "image", "reflect", "image"), 3, (Write, "reflect")),
            (
                IRG,
                ("think", "image", *("reflect", "image") * 3),
                4,
                "drawn again 3 times.",
            ),
            (IRG, ("think", "image", "reflect"), 1, (Draw, "image")),
        ],
    )
    def test_each_step_is_followed_by_its_next(self, protocol, kinds, turns, follows):
        ask = protocol.next(path(*kinds), Settings(turns=turns))
        if isinstance(follows, str):
            assert isinstance(ask, Stop) and ask.finished and ask.reason.endswith(follows)
        else:
            assert (type(ask), ask.kind) == follows

    @pytest.mark.parametrize(
        "kinds", [("plan", "sketch"), ("plan", "sketch", "inspect"), ("plan", "sketch", "fault", "refine")]
    )
    def test_a_picture_of_the_process_is_polished_by_one_turn(self, kinds):
        assert IRG.next(path(*kinds), Settings()).kind == "reflect"
        drawn = IRG.next(path(*kinds, "reflect"), Settings())
        assert (type(drawn), drawn.kind, drawn.preset) == (Draw, "image", PRESET)
        assert IRG.next(path(*kinds, "reflect", "image"), Settings()).finished

    def test_a_fault_of_the_process_is_drawn_before_it_is_reflected_on(self):
        assert IRG.next(path("plan", "sketch", "fault"), Settings()).kind == "image"

    def test_the_picture_cap_stops_before_a_reflection_that_would_lead_nowhere(self):
        stop = IRG.next(path("think", "image"), Settings(max_images=1))
        assert isinstance(stop, Stop) and not stop.finished and "1 picture is" in stop.reason

    def test_there_are_one_to_four_turns(self):
        for turns in (0, 5):
            with pytest.raises(ValueError, match="turns"):
                Settings(turns=turns)


class TestContexts:
    """The two guidance contexts of IRG's published inference."""

    def test_the_first_picture_is_guided_away_from_nothing_at_all(self):
        steps = path("think")
        for protocol in (THINK, IRG):
            draw = protocol.next(steps, Settings())
            assert (draw.parts, draw.text_free, draw.preset) == (shown(*steps), (), {})
            assert draw.image_free == shown(*steps)

    @pytest.mark.parametrize("turns", [2, 3])
    def test_later_pictures_leave_out_the_newest_reflection_or_every_picture(self, turns):
        steps = path("think", "image", *("reflect", "image") * (turns - 2), "reflect")
        draw = IRG.next(steps, Settings(turns=turns))
        assert draw.parts == shown(*steps)
        assert draw.text_free == shown(*steps[:-1])
        assert draw.image_free == shown(*(s for s in steps if not s.image))

    def test_steps_of_the_process_are_shown_as_there_but_the_prompt_bare(self):
        steps = path("plan", "sketch", "inspect")
        words, plan, sketch, seen = IRG.next(steps, Settings()).parts
        assert (words, plan.text) == (TextPart("a red house"), plan_text("Add it.", "It is there."))
        assert (sketch, seen) == (ImagePart(steps[2].image), TextPart("Seen."))

    def test_the_process_goes_on_after_a_polished_picture_and_sees_the_reflection(self):
        steps = path("plan", "sketch", "reflect", "image")
        ask = PROCESS.next(steps, Settings())
        assert (ask.kind, ask.parts[3]) == ("inspect", TextPart("<think>reflect 3</think>"))


class TestPreset:
    USUAL = Settings(guidance=4.0, interval_low=0.4)

    def test_it_holds_where_the_person_left_the_usual_and_a_wish_wins(self):
        untouched = self.USUAL.with_preset(PRESET, self.USUAL)
        assert {name: getattr(untouched, name) for name in PRESET} == PRESET
        wish = Settings(guidance=6.0, interval_low=0.4).with_preset(PRESET, self.USUAL)
        assert (wish.guidance, wish.image_guidance) == (6.0, 2.0)

    def test_a_run_draws_with_it_after_a_reflection_only_and_says_so(self):
        model = scripted_model(sampling={"guidance": 4.0})
        first, second = pictures(model, Settings(protocol="irg", guidance=4.0))
        assert first.recipe["settings"]["guidance"] == 4.0 and "preset" not in first.recipe
        assert second.recipe["preset"] == ["guidance", "image_guidance", "renorm"]
        used = Settings.from_dict(second.recipe["settings"])
        assert (used.guidance, used.image_guidance, used.renorm) == (2.0, 2.0, "text_channel")
        assert model.painter.asked[-1]["settings"] == used

    def test_a_run_keeps_the_persons_guidance(self):
        _, second = pictures(scripted_model(), Settings(protocol="irg", guidance=7.0))
        assert second.recipe["settings"]["guidance"] == 7.0
        assert second.recipe["preset"] == ["image_guidance", "renorm"]


def pictures(model: OpenedModel, wish: Settings) -> list[Step]:
    recorder = MemoryRecorder()
    events = list(
        run_trajectory(
            model,
            protocols.get(wish.protocol),
            [recorder.begin("main", "a red house")],
            wish,
            pixels=recorder.load,
            store_image=recorder.store_image,
            session_seed=7,
            cancel=threading.Event(),
        )
    )
    assert isinstance(events[-1], RunDone), events[-1]
    return [e.step for e in events if isinstance(e, StepFinished) and e.step.image]


class TestTexts:
    def test_forms_are_the_ones_a_checkpoint_is_trained_on(self):
        assert prompt_text("a cat") == "a cat"
        assert thought_text("A cat.") == "<think>A cat.</think>"
        assert reflection("Pale.", "Colour.", "Paint it.", "A red cat.") == (
            "Pale.\n### What to improve\nColour.\n### Step by step\nPaint it.\n"
            "### The whole picture then\nA red cat."
        )

    @pytest.mark.parametrize(
        "raw",
        [
            "<think>A cat.</think>",
            "<think>A cat.<\\think> And the picture:",
            "Sure: <THINK> A cat. < / think >",
            "<think>A cat.",
            "A cat.</think>",
            "A cat.",
            "<think>A cat.</thi",
            "<think>A cat.<think>",
            '<think>"A cat."</think>',
            "<think></think>A cat.",
            "<think>A cat.</think><think>A dog.</think>",
            "<think>A\0 cat.</think>",
        ],
    )
    def test_a_thought_is_read_through_its_usual_slips(self, raw):
        assert THINK.parse("think", raw) == IRG.parse("reflect", raw) == {"text": "A cat."}

    @pytest.mark.parametrize("raw", ["", " \n\0", "<think></think>", "<think>", "</think> "])
    def test_a_thought_without_words_is_refused(self, raw):
        with pytest.raises(ParseError, match="no words"):
            IRG.parse("reflect", raw)

    def test_a_kind_of_another_protocol_is_refused(self):
        with pytest.raises(ParseError, match="'plan'"):
            IRG.parse("plan", "<ins>x</ins>")
        with pytest.raises(ParseError, match="'reflect'"):
            PROCESS.parse("reflect", "x")

    @settings(max_examples=50)
    @given(
        st.lists(
            st.one_of(st.sampled_from(["<think>", "</think>", "<\\think>", "<ins>", "<|im_end|>"]), st.text())
        )
    )
    def test_no_words_of_a_person_end_a_thought(self, words):
        said = "A" + "".join(words).replace("\0", "") + "Z"
        step = Step("x" * 64, "reflect", "person", {"text": said})
        assert read_thought(IRG.step_text(step)) == neutral(said)

    def test_direct_shows_a_thought_as_it_was_written(self):
        assert DIRECT.step_text(path("think")[1]) == "<think>think 1</think>"


class TestOffered:
    @pytest.mark.parametrize(
        ("config", "found"),
        [
            ({}, protocols.NAMES),
            ({"model_type": "bagel"}, protocols.NAMES),
            ({"sampling": {}, "title": "Mine"}, ("process", "direct")),
            ({"protocols": ["irg", "process", "of a later version"]}, ("process", "irg")),
        ],
    )
    def test_a_checkpoint_says_what_it_was_trained_on(self, config, found):
        assert protocols.supported_protocols(config) == found

    @pytest.mark.parametrize("stated", [[], ["magic"], "process", None, {"process": 1}])
    def test_a_list_that_names_none_is_refused_with_the_known_ones(self, stated):
        with pytest.raises(ValueError, match="knows process, direct, think, irg"):
            protocols.supported_protocols({"protocols": stated})
