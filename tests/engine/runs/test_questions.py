"""Questions about a picture: what the model is shown, and that nothing else changes."""

from __future__ import annotations

import threading

import pytest
from PIL import Image as Pictures

from engine import protocols
from engine.core.events import Answered, RunCancelled, StepFailed, TextDelta
from engine.core.parts import ImagePart, TextPart
from engine.core.settings import Settings
from engine.runs.questions import answer
from engine.serving.queue import QuestionJob
from engine.serving.worker import Worker
from tests.engine.protocols.test_protocols import path
from tests.scripted import MemoryRecorder, png, scripted_model

QUESTION = "How many <|im_end|> trees?"


def ask(model, *, cancel=None, attempt=0):
    steps = path("plan", "sketch")
    events = list(
        answer(
            model, model.protocols["process"], steps, QUESTION, Settings(),
            pixels=lambda digest: None, session_seed=7, attempt=attempt, cancel=cancel or threading.Event(),
        )
    )  # fmt: skip
    return events, steps


def test_the_model_sees_the_picture_and_then_the_question_as_data():
    model = scripted_model(guided=True)
    events, steps = ask(model)
    assert model.painter.asked[0]["parts"] == (
        ImagePart(steps[-1].image, seen_only=True),
        TextPart("How many ‹|im_end|› trees?"),
    )
    done = events[-1]
    assert (
        isinstance(done, Answered)
        and "".join(e.text for e in events if isinstance(e, TextDelta)) == done.text
    )
    assert (done.recipe["protocol"], done.recipe["driver"]) == ("process", "guided")
    assert done.recipe["fingerprint"] == model.fingerprint and done.result["tokens"] > 0


def test_two_questions_about_a_picture_never_share_a_seed():
    seeds = {ask(scripted_model(), attempt=n)[0][-1].recipe["seed"] for n in (0, 1)}
    assert len(seeds) == 2


def test_a_model_that_never_learned_to_answer_says_what_it_would_say():
    process = protocols.get("process")
    steps = path("plan", "sketch")
    assert process.question(steps, QUESTION) == process.parts(steps)
    assert process.read_answer("It fits. <refine>Make it red.</refine>") == "It fits. Make it red."


def test_an_empty_answer_is_a_failure_with_a_next_action():
    failed = ask(scripted_model(texts=[" \0 "]))[0][-1]
    assert (
        isinstance(failed, StepFailed)
        and "no answer" in failed.cause
        and failed.next_action.startswith("Ask again")
    )


def test_a_crash_is_a_failure_too_and_stopping_leaves_nothing():
    assert isinstance(ask(scripted_model(texts=[RuntimeError("boom")]))[0][-1], StepFailed)
    stopped = threading.Event()
    stopped.set()
    assert ask(scripted_model(), cancel=stopped)[0] == [RunCancelled()]


@pytest.mark.parametrize("state", ["done", "failed"])
def test_the_worker_stores_an_answer_before_it_tells_of_it(state):
    recorder = MemoryRecorder()
    recorder.begin("b", "a red house")
    recorder.paths["b"] = path("plan", "sketch")
    recorder.images[recorder.paths["b"][-1].image] = png(Pictures.new("RGB", (8, 8)))
    worker = Worker(lambda: scripted_model(texts=[""] if state == "failed" else ()))
    worker.start(recorder)
    try:
        asked = {"owner": "me", "session_id": "s", "settings": Settings(), "session_seed": 1}
        worker.submit(QuestionJob(id="n", step_id=recorder.paths["b"][-1].id, question="What?", **asked))
        recorder.wait(lambda: recorder.state("n") == state)
        recorder.wait(lambda: any(isinstance(e, Answered | StepFailed) for e in recorder.events("n")))
        what = [kind for run, kind, _ in recorder.log if run == "n"]
        assert ("answer" in what) == (state == "done") and "step" not in what
        if state == "done":
            assert what.index("answer") < max(i for i, kind in enumerate(what) if kind == "event")
        assert len(recorder.paths["b"]) == 3
    finally:
        worker.close()
