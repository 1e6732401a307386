"""The guided driver: what an untuned model is told, how it is read, what becomes of nonsense."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import protocols
from engine.core.events import RunDone, StepFailed, StepFinished, StepStarted
from engine.core.parts import ImagePart, TextPart
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.protocols.base import Draw, ParseError, Stop, Write
from engine.protocols.edits import EDIT
from engine.protocols.lenient_parser import read_inspection, read_plan, says_done
from engine.protocols.prompts import default_prompts
from engine.runs.opened_model import OpenedModel
from engine.runs.runner import run_trajectory
from tests.engine.protocols.test_protocols import HOSTILE, path
from tests.scripted import MemoryRecorder, scripted_model

GUIDED = protocols.guided_protocols()["process"]
PLAN = {"instruction": "Add a red cat.", "description": "A red cat on a meadow."}


class TestWhatIsAsked:
    def test_the_first_plan_is_asked_for_in_words_alone_and_may_not_end(self):
        ask = GUIDED.next(path(), Settings())
        assert isinstance(ask, Write) and (ask.kind, ask.may_end) == ("plan", False)
        (text,) = ask.parts
        assert "a red house" in text.text and "DO:" in text.text and "DONE" not in text.text

    @pytest.mark.parametrize(
        ("kinds", "follows"),
        [
            (("plan",), (Draw, "sketch")),
            (("plan", "sketch"), (Write, "inspect")),
            (("plan", "sketch", "fault"), (Draw, "refine")),
            (("plan", "sketch", "fault", "refine"), (Write, "plan")),
            (("plan", "sketch", "inspect"), (Write, "plan")),
        ],
    )
    def test_the_stages_follow_one_another_without_a_predicted_token(self, kinds, follows):
        ask = GUIDED.next(path(*kinds), Settings())
        assert (type(ask), ask.kind) == follows

    def test_every_stage_after_a_picture_begins_with_the_same_pictures(self):
        """So that their contexts share a prefix: a picture is most of what there is to read."""
        steps = path("plan", "sketch", "inspect", "plan", "sketch", "fault")
        pictures = (ImagePart(steps[2].image), ImagePart(steps[5].image))
        for upto, shown in ((4, 1), (5, 1), (6, 2), (7, 2)):
            ask = GUIDED.next(steps[:upto], Settings())
            assert ask.parts[:-1] == pictures[:shown] and isinstance(ask.parts[-1], TextPart)

    def test_a_picture_is_drawn_as_an_edit_of_those_before_it(self):
        draw = GUIDED.next(path("plan", "sketch", "inspect", "plan"), Settings())
        pictures, text = draw.parts[:-1], draw.parts[-1:]
        assert (draw.text_free, draw.image_free, draw.preset) == (pictures, text, EDIT)
        assert "Add it." in text[0].text and "It is there." in text[0].text

    def test_the_first_picture_is_drawn_from_words_alone(self):
        draw = GUIDED.next(path("plan"), Settings())
        assert (draw.parts, draw.text_free, draw.preset) == ((TextPart("It is there."),), (), {})

    def test_a_refine_is_drawn_by_the_correction(self):
        draw = GUIDED.next(path("plan", "sketch", "fault", correction="Paint it blue."), Settings())
        assert draw.parts[-1].text.startswith("Paint it blue.")

    def test_a_plan_without_a_description_is_drawn_by_the_words_and_the_plan(self):
        steps = path("plan")
        bare = Step(steps[0].id, "plan", "person", {"instruction": "Add a cat.", "description": ""})
        assert GUIDED.next([steps[0], bare], Settings()).parts == (TextPart("a red house. Add a cat."),)

    def test_rejected_sketches_stay_only_if_they_are_kept(self):
        steps = path("plan", "sketch", "fault", "refine", "plan", "sketch")
        counts = [
            sum(isinstance(s, ImagePart) for s in GUIDED.next(steps, Settings(keep_rejected=kept)).parts)
            for kept in (True, False)
        ]
        assert counts == [3, 2]

    def test_the_caps_hold(self):
        steps = path("plan", "sketch", "inspect")
        for capped in (Settings(max_rounds=1), Settings(max_images=1)):
            stop = GUIDED.next(steps, capped)
            assert isinstance(stop, Stop) and not stop.finished

    @pytest.mark.parametrize("kinds", [("plan", "sketch", "inspect"), ("plan", "sketch", "fault", "refine")])
    def test_one_more_round_is_asked_for_in_words_that_offer_no_end(self, kinds):
        usual = GUIDED.next(path(*kinds), Settings())
        asked = GUIDED.next(path(*kinds), Settings(), chosen="plan")
        assert usual.may_end and not asked.may_end
        assert asked.parts[:-1] == usual.parts[:-1]
        assert "DONE" not in asked.parts[-1].text and "a red house" in asked.parts[-1].text
        assert isinstance(GUIDED.next(path(*kinds), Settings(max_rounds=1), chosen="plan"), Stop)

    @given(HOSTILE)
    def test_no_words_of_a_person_bring_a_tag_or_break_a_form(self, words):
        steps = [Step(None, "prompt", "person", {"text": "x" + words})]
        text = GUIDED.next(steps, Settings()).parts[0].text
        assert "<ins>" not in text.lower() and "<|" not in text


class TestReadingPlans:
    @pytest.mark.parametrize(
        "raw",
        [
            "DO: Add a red cat.\nPICTURE: A red cat on a meadow.",
            "**Do:** Add a red cat.\n\n**Picture:** A red cat on a meadow.",
            "1. DO: Add a red cat.\n2. PICTURE: A red cat on a meadow.",
            "- do next: Add a red cat.\n- the picture: A red cat on a meadow.",
            "Sure! Here is the plan.\nInstruction: Add a red cat.\nDescription: A red cat on a meadow.",
            "DO: Add a red cat. PICTURE: A red cat on a meadow.",
            "PICTURE: A red cat on a meadow.\nDO: Add a red cat.",
            'DO: "Add a red cat."\nPICTURE: "A red cat on a meadow."',
            "### Do\uff1a Add a red cat.\n### Whole picture: A red cat on a meadow.",
            "```\nDO: Add a red cat.\nPICTURE: A red cat on a meadow.\n```",
            '```json\n{"do": "Add a red cat.", "picture": "A red cat on a meadow."}\n```',
            'The plan: {"Instruction": "Add a red cat.", "DESCRIPTION": "A red cat on a meadow.", "n": 1}',
            "<ins>Add a red cat.</ins><des>A red cat on a meadow.</des>",
            "<ins>Add a red cat.<\\ins> <des>A red cat on a meadow.",
            "DO: Add a red cat.\0\nPICTURE: A red cat on a meadow.\nDO: Add a dog.",
            "DO:\nDO: Add a red cat.\nPICTURE: A red cat on a meadow.",
        ],
    )
    def test_through_what_untuned_models_do(self, raw):
        assert read_plan(raw) == PLAN

    def test_without_a_description(self):
        assert read_plan("Next step: Add a red cat.") == {"instruction": "Add a red cat.", "description": ""}

    @pytest.mark.parametrize(
        "raw",
        [
            "",
            " \0\n",
            "The cat sat on the mat.",
            "PICTURE: A cat.",
            "DO:",
            '{"do": 3}',
            "[1]",
            "{}",
            "{" * 9000,
        ],
    )
    def test_an_answer_without_a_sign_of_a_plan_is_none(self, raw):
        with pytest.raises(ParseError, match="it (is|has) "):
            read_plan(raw)

    @pytest.mark.parametrize(
        "raw",
        [
            "DONE",
            "done.",
            "**DONE**",
            "DO: DONE",
            "Nothing left to do.",
            "The picture is complete.",
            "```\nDONE\n```",
            "The picture already shows everything. DONE",
        ],
    )
    def test_the_end(self, raw):
        assert says_done(raw) and GUIDED.parse("plan", raw) is None

    def test_who_may_end_is_told_so_when_asked_once_more(self):
        next_plan, inspect = (
            Write(kind, (TextPart("ask"),), may_end=kind == "plan") for kind in ("plan", "inspect")
        )
        assert "DONE" in GUIDED.repair(next_plan, "Hm.", "it is odd").parts[-1].text
        assert "DONE" not in GUIDED.repair(inspect, "Hm.", "it is odd").parts[-1].text

    @pytest.mark.parametrize(
        "raw", ["", "DO: Add a done deal.", "Done is better. DO: Add a cat.", "DO: Add a cat.\nDONE"]
    )
    def test_what_is_no_end(self, raw):
        assert not says_done(raw)

    @settings(max_examples=200)
    @given(st.one_of(st.text(), HOSTILE))
    def test_any_text_is_read_or_refused(self, raw):
        for read in (read_plan, read_inspection):
            try:
                fields = read(raw)
            except ParseError:
                continue
            assert any(text.strip() for text in fields.values())
            assert not any("\0" in text for text in fields.values())

    @given(
        st.sampled_from(["DO", "Do next", "**do**", "- Instruction", "1) Step"]),
        st.text("abc d.", min_size=1),
    )
    def test_a_labelled_line_is_the_instruction_as_it_stands(self, label, words):
        if words.strip():
            assert read_plan(f"{label}: {words}")["instruction"] == words.strip()


class TestReadingInspections:
    @pytest.mark.parametrize(
        ("raw", "verdict", "correction"),
        [
            ("VERDICT: RIGHT, the cat is there.\nFIX: NOTHING", "The cat is there.", ""),
            ("VERDICT: No mistakes.\nFIX: NOTHING", "No mistakes.", ""),
            ("VERDICT: No contradictions, it fits.", "No contradictions, it fits.", ""),
            (
                "VERDICT: Right side lacks a tree.\nFIX: Add a tree.",
                "Right side lacks a tree.",
                "Add a tree.",
            ),
            ("VERDICT: It fits.\nFIX: There is nothing to fix.", "It fits.", ""),
            ("VERDICT: It fits.\nFIX: There's nothing that needs a change.", "It fits.", ""),
            ("VERDICT: RIGHT\nFIX: nothing to change.", "It is right.", ""),
            ("**Verdict:** Correct. It fits.\n**Fix:** none", "It fits.", ""),
            (
                "VERDICT: WRONG, there are two cats.\nFIX: Remove one cat.",
                "There are two cats.",
                "Remove one cat.",
            ),
            ("Wrong. FIX: Remove one cat.", "It is wrong.", "Remove one cat."),
            ("Yes, it matches the words.", "It matches the words.", ""),
            ("No, it is blue.\nCorrection: Make it red.", "It is blue.", "Make it red."),
            ("VERDICT: RIGHT, it fits.\nFIX: Make it nicer.", "It fits.", ""),
            ('{"verdict": "WRONG: it is blue", "fix": "Make it red."}', "It is blue", "Make it red."),
            ("It is blue. <refine>Make it red.</refine>", "It is blue.", "Make it red."),
            ("FIX: Make it red.", "", "Make it red."),
            ("VERDICT: The cat is there.\nFIX: -", "The cat is there.", ""),
        ],
    )
    def test_through_what_untuned_models_do(self, raw, verdict, correction):
        assert read_inspection(raw) == {"verdict": verdict, "correction": correction}

    @pytest.mark.parametrize(
        ("raw", "why"),
        [
            ("", "it is empty"),
            ("The cat sat on the mat.", "says a verdict"),
            ("VERDICT: WRONG, it is blue.", "doesn't say what to change"),
            ("WRONG", "doesn't say what to change"),
            ("VERDICT: WRONG\nFIX: NOTHING", "doesn't say what to change"),
            ("VERDICT: RIGHT or WRONG, and why\nFIX: NOTHING", "nothing that says a verdict"),
        ],
    )
    def test_what_can_not_be_acted_on_is_refused(self, raw, why):
        with pytest.raises(ParseError, match=why):
            read_inspection(raw)


def go(model: OpenedModel, wish: Settings | None = None):
    recorder = MemoryRecorder()
    wish = wish or Settings()
    events = list(
        run_trajectory(
            model,
            model.protocols[wish.protocol],
            [recorder.begin("main", "a red house and a blue boat")],
            wish,
            pixels=recorder.load,
            store_image=recorder.store_image,
            session_seed=7,
            cancel=threading.Event(),
        )
    )
    return events, [e.step for e in events if isinstance(e, StepFinished)]


class TestARun:
    def test_the_good_path_ends_by_the_models_own_word_and_says_who_drove(self):
        model = scripted_model(guided=True, rounds=3, fault_rounds=(2,))
        events, steps = go(model)
        assert [s.kind for s in steps] == ["plan", "sketch", "inspect", "plan", "sketch", "inspect", "refine"]
        assert events[-1] == RunDone("The model thinks the picture is finished.", True)
        assert {(s.recipe["protocol"], s.recipe["driver"]) for s in steps} == {("process", "guided")}
        assert {s.recipe["prompts"] for s in steps} == {GUIDED.prompts}
        assert steps[4].recipe["settings"]["image_guidance"] == EDIT["image_guidance"]
        assert not any(call["call"] == "choose" for call in model.painter.asked)

    def test_the_native_driver_says_so_too(self):
        _, steps = go(scripted_model())
        assert {s.recipe["driver"] for s in steps} == {"native"}
        assert not any("prompts" in s.recipe for s in steps)

    def test_a_malformed_answer_is_shown_to_the_model_once_with_what_was_wrong(self):
        model = scripted_model(texts=["I would paint a cat <ins"], guided=True)
        events, steps = go(model, Settings(mode="one_step"))
        first, second = model.painter.asked
        assert second["parts"][: len(first["parts"])] == first["parts"]
        answer, again = second["parts"][len(first["parts"]) :]
        assert answer == TextPart("I would paint a cat ‹ins")
        assert "it has nothing that says what to do next" in again.text and "DO:" in again.text
        assert StepStarted("plan", 1, repair=True) in events and steps[0].kind == "plan"

    def test_a_second_one_is_an_honest_failure_that_loses_nothing(self):
        events, steps = go(scripted_model(texts=["mumble", "mumble mumble"], guided=True))
        failed = events[-1]
        assert isinstance(failed, StepFailed) and failed.raw == "mumble mumble" and not steps
        assert failed.cause.startswith("The model's answer could not be read as a plan, twice:")
        assert "safe" in failed.cause and "write the plan yourself" in failed.next_action

    def test_done_before_anything_is_drawn_is_no_end(self):
        events, _ = go(scripted_model(texts=["DONE", "DONE"], guided=True))
        assert isinstance(events[-1], StepFailed) and "nothing is drawn yet" in events[-1].cause

    @pytest.mark.parametrize("name", ["think", "irg"])
    def test_thinking_is_told_by_a_system_prompt_that_guidance_keeps(self, name):
        model = scripted_model(guided=True, protocols=protocols.NAMES)
        _, steps = go(model, Settings(protocol=name))
        system = TextPart(default_prompts()[name]["system"])
        draws = [call for call in model.painter.asked if call["call"] == "draw"]
        assert all(call["parts"][0] == system for call in model.painter.asked)
        assert draws[0]["text_free"] == (system,)
        assert all(system in call["image_free"] for call in draws)
        assert steps[0].recipe["driver"] == "guided"

    def test_polishing_shows_an_untuned_model_no_plans(self):
        steps = path("plan", "sketch", "inspect")
        ask = protocols.guided_protocols()["irg"].next(steps, Settings(protocol="irg"))
        assert ask.parts[1:] == (TextPart("a red house"), ImagePart(steps[2].image))


class TestDrivers:
    def test_a_checkpoint_is_driven_as_its_config_says_it_was_trained(self):
        public = protocols.protocols_for({"model_type": "bagel"})
        ours = protocols.protocols_for({"protocols": ["process", "irg"], "world": "storybook"})
        assert {name: p.driver for name, p in public.items()} == {
            "process": "guided", "direct": "native", "think": "guided", "irg": "guided",
        }  # fmt: skip
        assert {name: p.driver for name, p in ours.items()} == {"process": "native", "irg": "native"}

    def test_only_a_model_bound_to_a_world_answers_no_questions(self):
        bound = protocols.protocols_for({"protocols": ["process"], "world": "x"})
        assert not any(p.asks for p in bound.values())
        assert all(p.asks for p in protocols.protocols_for({"protocols": ["process"]}).values())
        assert all(p.asks for p in protocols.protocols_for({}).values())


@pytest.mark.parametrize("name", ["think", "irg"])
@pytest.mark.parametrize("kind", ["plan", "fault"])
@pytest.mark.parametrize("before", [(), ("plan", "sketch")])
def test_what_another_way_of_working_planned_is_drawn_by_its_words(
    name: str, kind: str, before: tuple[str, ...]
):
    """Untuned weights don't know the forms of the process, but what is said in them must not be lost."""
    steps = path(*before, kind)
    if kind == "fault" and not before:
        return
    draw = protocols.guided_protocols()[name].next(steps, Settings(image_guidance=2.0))
    said = draw.parts[-1].text
    assert said == ("Add it. It is there." if kind == "plan" else "Seen. Make it red.")
    assert draw.text_free == draw.parts[:-1] and draw.image_free[-1].text == said
    assert draw.preset == (EDIT if before else {})
