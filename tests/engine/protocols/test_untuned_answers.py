"""The loop on real untuned weights: a tiny checkpoint of the public layout that answers nonsense."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image as Pictures

from engine.checkpoints.errors import CheckpointError
from engine.core.events import Answered, Event, RunCancelled, RunDone, StepFailed, StepFinished
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.inference.painter import open_painter
from engine.runs.opened_model import OpenedModel, with_protocols
from engine.runs.questions import answer
from engine.runs.runner import run_trajectory
from tests.scripted import MemoryRecorder
from tests.tiny import FOLDER, small_pictures

QUICK = Settings(timesteps=3, max_tokens=24, max_rounds=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_pictures(
        tmp_path_factory.mktemp("untuned") / "tiny",
        vae_transform=[128, 32, 16],
        vit_transform=[112, 28, 14],
        default_image_size=[48, 64],
    )


@pytest.fixture(scope="module")
def model(folder: Path) -> OpenedModel:
    torch.set_num_threads(1)
    return with_protocols(open_painter(folder))


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


def go(model: OpenedModel, recorder: MemoryRecorder, path: list[Step], wish: Settings) -> list[Event]:
    return list(
        run_trajectory(
            model,
            model.protocols[wish.protocol],
            path,
            wish,
            pixels=recorder.load,
            store_image=recorder.store_image,
            session_seed=7,
            cancel=threading.Event(),
        )
    )


def made(events: list[Event]) -> list[Step]:
    return [event.step for event in events if isinstance(event, StepFinished)]


def started(recorder: MemoryRecorder) -> list[Step]:
    root = recorder.begin("main", "make it night")
    with Pictures.open(FOLDER / "inputs" / "edit_img.png") as picture:
        digest = recorder.store_image(picture.convert("RGB").resize((96, 64)))
    return [root, Step(root.id, "image", "person", image=digest, recipe={"start": "upload"})]


def test_a_public_folder_is_guided_and_recommends_the_public_scales(model: OpenedModel) -> None:
    assert {p.driver for name, p in model.protocols.items() if name != "direct"} == {"guided"}
    assert (model.sampling["guidance"], model.sampling["shift"]) == (4.0, 3.0)
    assert model.settings.keep_rejected is False
    assert (model.image_sizes.unit, model.image_sizes.largest) == (16, 128)


def test_nonsense_is_an_honest_failure_and_the_person_can_write_the_plan(
    model: OpenedModel, recorder: MemoryRecorder
) -> None:
    root = recorder.begin("main", "a red house")
    failed = go(model, recorder, [root], QUICK)[-1]
    assert isinstance(failed, StepFailed) and failed.kind == "plan" and failed.raw
    assert "could not be read as a plan, twice" in failed.cause and "safe" in failed.cause
    assert "write the plan yourself" in failed.next_action
    plan = Step(root.id, "plan", "person", {"instruction": "Add a red house.", "description": "A red house."})
    events = go(model, recorder, [root, plan], QUICK)
    (sketch,) = made(events)
    assert (sketch.kind, sketch.recipe["driver"]) == ("sketch", "guided")
    assert isinstance(events[-1], StepFailed) and events[-1].kind == "inspect", (
        "nonsense again, after the sketch"
    )
    assert recorder.load(sketch.image).size == (64, 48), "what was finished is kept"


def test_a_chosen_size_is_drawn_and_an_impossible_one_is_a_sentence(
    model: OpenedModel, recorder: MemoryRecorder
) -> None:
    root = recorder.begin("main", "a red house")
    (step,) = made(go(model, recorder, [root], Settings(protocol="direct", timesteps=3, height=32, width=80)))
    assert recorder.load(step.image).size == (80, 32)
    assert (step.recipe["settings"]["height"], step.recipe["settings"]["width"]) == (32, 80)
    failed = go(model, recorder, [root], Settings(protocol="direct", height=1024, width=1024))[-1]
    assert isinstance(failed, StepFailed) and "at most 128" in failed.cause
    assert failed.next_action.startswith("Choose another size")


def test_a_given_picture_is_edited_at_its_own_size_with_the_scales_of_an_edit(
    model: OpenedModel, recorder: MemoryRecorder
) -> None:
    path = started(recorder)
    wish = Settings(protocol="direct", timesteps=3, height=32, width=32)
    events = go(model, recorder, path, wish)
    (step,) = made(events)
    assert recorder.load(step.image).size == (96, 64), "the size of the picture it is drawn from"
    assert step.recipe["settings"]["image_guidance"] == 2.0 and "image_guidance" in step.recipe["preset"]
    assert step.result["forwards"] == 3 * step.result["updates"], "both guidance contexts are run"
    assert isinstance(events[-1], RunDone) and events[-1].finished
    other = go(model, recorder, path[:1], Settings(protocol="direct", timesteps=3, height=64, width=96))
    assert made(other)[0].image != step.image, "the picture matters"


def test_think_and_irg_run_through_on_any_words(model: OpenedModel, recorder: MemoryRecorder) -> None:
    root = recorder.begin("main", "a red house")
    wish = Settings(protocol="irg", timesteps=3, max_tokens=12, reflection="firm", temperature=0.7)
    events = go(model, recorder, [root], wish)
    assert [step.kind for step in made(events)] == ["think", "image", "reflect", "image"], events[-1]
    last = made(events)[-1]
    scales = Settings.from_dict(last.recipe["settings"])
    assert (scales.image_guidance, scales.renorm) == (2.0, "text_channel")


def test_a_question_is_answered_from_what_the_model_sees_alone(
    model: OpenedModel, recorder: MemoryRecorder
) -> None:
    path = started(recorder)
    *_, last = answer(
        model, model.protocols["process"], path, "What is it?", QUICK,
        pixels=recorder.load, session_seed=7, cancel=threading.Event(),
    )  # fmt: skip
    assert isinstance(last, Answered) and last.text and last.recipe["seed"]
    question = model.protocols["process"].question(path, "What is it?")
    (context,), _ = model.painter._contexts([question], recorder.load)
    vit_tokens = (64 // 14) * (96 // 14) + 2
    assert context.segments[0].length <= vit_tokens + 12, "no latents of the picture are read"
    assert len(context.segments) == 2


def test_a_question_stopped_while_its_picture_is_read_asks_nothing_of_the_network(
    model: OpenedModel, recorder: MemoryRecorder
) -> None:
    cancel, passes = threading.Event(), []
    digest = recorder.store_image(Pictures.new("RGB", (96, 64), "teal"))  # nobody has read it yet
    root = recorder.begin("main", "make it night")
    path = [root, Step(root.id, "image", "person", image=digest, recipe={"start": "upload"})]

    def pixels(digest: str) -> Pictures.Image:
        cancel.set()
        return recorder.load(digest)

    watch = model.painter.model.language_model.register_forward_pre_hook(lambda *_: passes.append(1))
    events = list(
        answer(
            model, model.protocols["process"], path, "What is it?", QUICK,
            pixels=pixels, session_seed=7, cancel=cancel,
        )
    )  # fmt: skip
    watch.remove()
    assert cancel.is_set() and events == [RunCancelled()] and not passes


def test_a_slip_in_a_checkpoints_own_words_is_a_sentence_when_it_is_opened(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "mine")
    (tmp_path / "mine" / "protocol.toml").write_text("[process]\nrefine = '{wrong}'\n")
    with pytest.raises(CheckpointError, match=r"protocol\.toml"):
        with_protocols(open_painter(tmp_path / "mine"))
