"""What went wrong in a step, in words."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.checkpoints.errors import CheckpointError
from engine.runs.failures import SAFE, explain, explain_opening
from sessions.errors import Conflict, DiskFull, translated_errors


def raised(call: Callable[[], None]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011, B017
        call()
    return caught.value


def test_a_full_disk_is_known_inside_the_memorys_own_error() -> None:
    def full() -> None:
        with translated_errors(Path("home")):
            raise OSError(errno.ENOSPC, "No space left on device")

    error = raised(full)
    assert isinstance(error, DiskFull)
    assert explain(error) == (
        "The disk is full. Everything finished before is safe.",
        "Free some space, then continue.",
    )


def test_the_memorys_sentences_are_passed_on_as_they_are() -> None:
    cause, action = explain(Conflict("The branch went on. Nothing was overwritten."))
    assert cause == "The branch went on. Nothing was overwritten." and action


def test_torchs_own_words_for_too_little_memory_are_known() -> None:
    cause, action = explain(raised(lambda: torch.empty(2**60)))
    assert cause == f"Memory ran out in this step. {SAFE}" and "smaller picture" in action
    cause, action = explain(torch.OutOfMemoryError("CUDA out of memory."))
    assert cause.startswith("The GPU ran out") and "--profile" in action
    for words in ("CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."):
        assert explain(RuntimeError(words))[0] == cause, "libraries of the card say it so"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_too_little_memory_gets_advice_that_helps_in_the_middle_of_a_session(error: Exception) -> None:
    _, action = explain(error)
    assert "fewer pictures" in action and "Start fresh from this" in action
    assert "a new session with a smaller picture" in action, "a later picture keeps the size of the first"


def test_an_unexpected_error_keeps_its_name(caplog: pytest.LogCaptureFixture) -> None:
    cause, action = explain(ZeroDivisionError("oops"))
    assert "ZeroDivisionError: oops" in cause and action
    assert "unexpected error" in caplog.text


def test_a_folder_that_cannot_be_a_model_says_itself_what_to_do() -> None:
    told = explain_opening(CheckpointError("ae.safetensors was cut short. Fetch it again."))
    assert told == ("The model could not be opened: ae.safetensors was cut short. Fetch it again.", "")


@pytest.mark.parametrize(
    ("error", "cause", "action"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "GPU doesn't have enough memory", "--profile"),
        (MemoryError(), "there isn't enough memory", "Close other programs"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full", "Free some space"),
        (KeyError("hidden_size"), "KeyError: 'hidden_size'", "restroke.log"),
    ],
)
def test_a_model_that_cannot_be_opened_gets_advice_that_fits(error: Exception, cause: str, action: str):
    told, next_action = explain_opening(error)
    assert told.startswith("The model could not be opened") and cause in told
    assert action in next_action and "checkpoint folder" not in next_action
    assert "step" not in told and "continue" not in next_action
