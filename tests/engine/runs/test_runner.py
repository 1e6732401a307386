"""One step, and a whole run: order, repair, caps, modes, cancelling, seeds, failures."""

from __future__ import annotations

import errno
import threading

import PIL.Image
import pytest

from engine import protocols
from engine.core.errors import GenerationError
from engine.core.events import (
    Preview,
    RunCancelled,
    RunDone,
    RunPaused,
    StepFailed,
    StepFinished,
    StepStarted,
    TextDelta,
    step_as_dict,
    step_from_dict,
)
from engine.core.settings import Settings
from engine.runs.runner import run_step, run_trajectory
from tests.scripted import MemoryRecorder, ScriptedPainter, scripted_model


def go(painter, settings=None, *, recorder=None, cancel=None, path=None, only_one=False, seed=7, **more):
    """Runs to the end and returns the events."""
    recorder = recorder or MemoryRecorder()
    path = path or [recorder.begin("main", "a red house and a blue boat", seed)]
    settings = settings or Settings()
    generate = run_step if only_one else run_trajectory
    return list(
        generate(
            scripted_model(painter),
            protocols.get(settings.protocol),
            path,
            settings,
            pixels=recorder.load,
            store_image=recorder.store_image,
            session_seed=seed,
            cancel=cancel or threading.Event(),
            **more,
        )
    )


def made(events):
    return [e.step for e in events if isinstance(e, StepFinished)]


def kinds(events):
    return [step.kind for step in made(events)]


def test_a_fault_is_refined_and_the_model_ends_the_run():
    events = go(ScriptedPainter(rounds=2, fault_rounds=(1,)))
    assert kinds(events) == ["plan", "sketch", "inspect", "refine", "plan", "sketch", "inspect"]
    assert events[-1] == RunDone("The model thinks the picture is finished.", True, probability=0.75)


def test_each_step_is_announced_streamed_and_finished_in_this_order():
    events = go(ScriptedPainter(updates=3), Settings(mode="pause_each"))
    assert isinstance(events[0], StepStarted) and isinstance(events[-2], StepFinished)
    text = "".join(e.text for e in events if isinstance(e, TextDelta))
    step = made(events)[0]
    assert text == protocols.get("process").step_text(step)
    sketch = go(ScriptedPainter(updates=3), Settings(protocol="direct"))
    assert [(e.index, e.total) for e in sketch if isinstance(e, Preview)] == [(1, 3), (2, 3), (3, 3)]


def test_steps_chain_and_their_seeds_never_repeat():
    steps = made(go(ScriptedPainter(texts=["malformed"], rounds=4, fault_rounds=(2, 3))))
    assert [s.parent for s in steps[1:]] == [s.id for s in steps[:-1]]
    seeds = [s.recipe["seed"] for s in steps]
    assert len(set(seeds)) == len(seeds)


def test_the_same_recipe_gives_the_same_steps_and_another_seed_other_pictures():
    first, again, other = (made(go(ScriptedPainter(), seed=seed)) for seed in (7, 7, 8))
    assert [s.id for s in first] == [s.id for s in again]
    assert first[1].image != other[1].image


def test_a_step_carries_its_recipe_its_costs_and_the_models_decision():
    painter, settings = ScriptedPainter(), Settings(guidance=3.0)
    steps = made(go(painter, settings))
    sketch, second_plan = steps[1], steps[4]
    assert sketch.recipe["settings"] == settings.as_dict()
    assert sketch.recipe["fingerprint"] == painter.fingerprint
    assert (sketch.recipe["protocol"], sketch.recipe["attempt"]) == ("process", 0)
    assert (sketch.result["updates"], sketch.result["forwards"], sketch.result["tokens"]) == (4, 8, 0)
    assert steps[0].result["tokens"] > 0
    assert second_plan.result["choice"] == {"token": "text", "probability": 0.75}
    assert "choice" not in steps[0].result
    assert step_from_dict(step_as_dict(sketch)) == sketch


def test_a_changed_step_is_not_read_back():
    values = step_as_dict(made(go(ScriptedPainter(), Settings(mode="one_step")))[0])
    values["fields"]["instruction"] = "Something else."
    with pytest.raises(ValueError, match="was changed"):
        step_from_dict(values)


def test_a_malformed_text_is_repaired_once_warmer_and_with_another_seed():
    painter = ScriptedPainter(texts=["no tags at all"])
    events = go(painter, Settings(mode="one_step"))
    first, second = painter.asked
    assert (first["temperature"], second["temperature"]) == (0.0, 0.7)
    assert first["seed"] != second["seed"]
    assert StepStarted("plan", 1, repair=True) in events
    plan = made(events)[0]
    assert (plan.recipe["seed"], plan.recipe["settings"]["temperature"]) == (second["seed"], 0.7)
    assert "instruction" in plan.result["repaired"]


def test_a_text_malformed_twice_fails_and_says_why_and_what_it_was():
    events = go(ScriptedPainter(texts=["", "still no tags"]))
    failed = events[-1]
    assert isinstance(failed, StepFailed) and (failed.kind, failed.raw) == ("plan", "still no tags")
    assert "instruction" in failed.cause and "new seed" in failed.next_action
    assert not made(events)


def test_a_text_cut_by_the_token_cap_is_used_when_it_can_be_read():
    cut = "<ins>Add a cat.</ins><des>" + "very " * 40
    step = made(go(ScriptedPainter(texts=[cut]), Settings(mode="one_step", max_tokens=12)))[0]
    assert step.fields["instruction"] == "Add a cat." and step.result["cut"] is True
    failed = go(ScriptedPainter(texts=["very " * 40, "very " * 40]), Settings(max_tokens=12))[-1]
    assert isinstance(failed, StepFailed)


@pytest.mark.parametrize(
    ("settings", "drawn", "word"),
    [(Settings(max_rounds=2), 3, "rounds"), (Settings(max_images=2), 2, "pictures")],
)
def test_a_cap_ends_the_run_unfinished_with_a_sentence(settings, drawn, word):
    events = go(ScriptedPainter(rounds=9), settings)
    assert sum(s.image is not None for s in made(events)) == drawn
    assert isinstance(events[-1], RunDone) and not events[-1].finished and word in events[-1].reason


def test_the_clock_ends_a_run_between_steps():
    events = go(ScriptedPainter(rounds=9, update_delay=0.3), Settings(max_seconds=1))
    assert kinds(events) == ["plan", "sketch"]
    assert not events[-1].finished and "1 seconds" in events[-1].reason


@pytest.mark.parametrize(
    ("mode", "made_kinds"),
    [("pause_each", ["plan"]), ("one_step", ["plan"]), ("pause_on_fault", ["plan", "sketch", "inspect"])],
)
def test_the_mode_says_where_a_run_pauses(mode, made_kinds):
    events = go(ScriptedPainter(), Settings(mode=mode))
    assert kinds(events) == made_kinds and isinstance(events[-1], RunPaused)


def test_a_run_continued_after_a_fault_pause_refines():
    recorder = MemoryRecorder()
    root = recorder.begin("main", "a red house")
    settings = Settings(mode="pause_on_fault")
    path = [root, *made(go(ScriptedPainter(), settings, recorder=recorder, path=[root]))]
    assert kinds(go(ScriptedPainter(), settings, recorder=recorder, path=path))[0] == "refine"


def test_a_step_limit_pauses_after_so_many_steps():
    events = go(ScriptedPainter(), steps_limit=2)
    assert kinds(events) == ["plan", "sketch"] and isinstance(events[-1], RunPaused)


def test_again_takes_a_new_seed_for_the_first_step_only_and_warms_a_text():
    painter = ScriptedPainter()
    first, again = made(go(painter)), made(go(painter, attempt=1))
    assert first[0].recipe["seed"] != again[0].recipe["seed"]
    assert (again[0].recipe["attempt"], again[0].recipe["settings"]["temperature"]) == (1, 0.7)
    assert first[1].recipe["seed"] == again[1].recipe["seed"]


def complete(recorder):
    """A trajectory that the model has ended."""
    root = recorder.begin("main", "a red house and a blue boat", 7)
    return [root, *made(go(ScriptedPainter(rounds=1), recorder=recorder, path=[root]))]


def test_one_more_round_is_planned_without_asking_the_model_whether_to_end():
    recorder, painter = MemoryRecorder(), ScriptedPainter(rounds=1)
    path = complete(recorder)
    wished = {"recorder": recorder, "path": path, "only_one": True}
    assert isinstance(go(painter, **wished)[-1], RunDone)
    painter.asked.clear()
    plan = made(go(painter, more=True, **wished))[0]
    assert [call["call"] for call in painter.asked] == ["write"]
    assert (plan.kind, plan.recipe["wish"]) == ("plan", "one more round")
    assert "choice" not in plan.result


def test_the_wish_for_one_more_round_changes_nothing_before_the_end_and_respects_the_cap():
    recorder = MemoryRecorder()
    path = complete(recorder)
    sketch = made(go(ScriptedPainter(), path=path[:2], recorder=recorder, only_one=True, more=True))[0]
    assert sketch.id == path[2].id and "wish" not in sketch.recipe
    end = go(
        ScriptedPainter(), Settings(max_rounds=1), path=path, only_one=True, more=True, recorder=recorder
    )
    assert not end[-1].finished and "of 1 round is" in end[-1].reason


@pytest.mark.parametrize("at", [1, 2, 4])
def test_cancel_mid_sketch_takes_effect_within_one_update_and_leaves_nothing(at):
    cancel, recorder, seen = threading.Event(), MemoryRecorder(), []

    def stop(update):
        seen.append(update)
        if update == at:
            cancel.set()

    painter = ScriptedPainter(on_update=stop, updates=4)
    events = go(painter, Settings(protocol="direct"), recorder=recorder, cancel=cancel)
    assert events[-1] == RunCancelled() and not made(events) and not recorder.images
    assert seen == list(range(1, at + 1))


def test_cancel_while_a_preview_is_shown_asks_for_no_further_update():
    cancel, recorder, seen = threading.Event(), MemoryRecorder(), []
    events = run_step(
        scripted_model(on_update=seen.append),
        protocols.get("direct"),
        [recorder.begin("main", "a cat")],
        Settings(protocol="direct"),
        pixels=recorder.load,
        store_image=recorder.store_image,
        session_seed=0,
        cancel=cancel,
    )
    for event in events:
        if isinstance(event, Preview):
            cancel.set()
    assert event == RunCancelled() and seen == [1]


def test_cancel_mid_text_takes_effect_within_one_token():
    cancel, seen = threading.Event(), []

    def stop(token):
        seen.append(token)
        if token == 3:
            cancel.set()

    events = go(ScriptedPainter(on_token=stop), cancel=cancel)
    assert events[-1] == RunCancelled() and seen == [1, 2, 3] and not made(events)


def test_a_run_cancelled_before_it_begins_asks_nothing_of_the_model():
    cancel, painter = threading.Event(), ScriptedPainter()
    cancel.set()
    assert go(painter, cancel=cancel) == [RunCancelled()] and painter.asked == []


def test_a_typed_error_of_the_painter_becomes_a_failed_step_with_its_own_advice():
    error = GenerationError("The picture came out as one flat colour.", "Lower the guidance.")
    failed = go(ScriptedPainter(texts=[error]))[-1]
    assert failed == StepFailed("plan", "The picture came out as one flat colour.", "Lower the guidance.")


def test_a_full_disk_becomes_a_failed_step_that_says_what_is_safe():
    recorder = MemoryRecorder()

    def full(image):
        raise OSError(errno.ENOSPC, "No space left on device")

    recorder.store_image = full
    events = go(ScriptedPainter(), recorder=recorder)
    assert kinds(events) == ["plan"]
    assert events[-1].kind == "sketch" and "disk is full" in events[-1].cause and "safe" in events[-1].cause


def test_an_unexpected_error_names_its_type():
    failed = go(ScriptedPainter(texts=[KeyError("lost")]))[-1]
    assert isinstance(failed, StepFailed) and "KeyError" in failed.cause and failed.next_action


def test_a_painter_that_ends_without_a_picture_fails_the_step():
    class Blind(ScriptedPainter):
        def draw(self, parts, **arguments):
            yield Preview(PIL.Image.new("RGB", (4, 4)), 1, 2)

    failed = go(Blind(), Settings(protocol="direct"))[-1]
    assert isinstance(failed, StepFailed) and "without a picture" in failed.cause


def test_every_event_is_json(tmp_path):
    import json

    for event in [*go(ScriptedPainter(texts=["x"])), *go(ScriptedPainter(texts=["", ""]))]:
        assert json.loads(json.dumps(event.as_dict()))["type"]
