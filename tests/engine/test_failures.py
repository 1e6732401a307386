"""What went wrong in a step, in words."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.failures import SAFE, explain
from sessions.errors import Conflict, DiskFull, plainly


def raised(call: Callable[[], None]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011, B017
        call()
    return caught.value


def test_a_full_disk_is_known_inside_the_memorys_own_error() -> None:
    def full() -> None:
        with plainly(Path("home")):
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
    assert cause == f"There was not enough memory for this step. {SAFE}" and "smaller picture" in action
    cause, action = explain(torch.OutOfMemoryError("CUDA out of memory."))
    assert cause.startswith("The graphics card") and "--profile" in action
    for words in ("CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."):
        assert explain(RuntimeError(words))[0] == cause, "libraries of the card say it so"


def test_an_unexpected_error_keeps_its_name(caplog: pytest.LogCaptureFixture) -> None:
    cause, action = explain(ZeroDivisionError("oops"))
    assert "ZeroDivisionError: oops" in cause and action
    assert "unexpected error" in caplog.text
