"""What keeps the studio from starting is one sentence and exit code 2."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import app


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in before:
        signal.signal(number, handler)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1 and "Traceback" not in error
    return error


def never() -> None:
    raise AssertionError("the model must not be opened")


def test_a_port_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert app.main(["--home", str(tmp_path), "--port", str(port)], open_model=never) == 2
    assert f"port {port}" in said(capsys)


def test_a_missing_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert app.main(["--home", str(tmp_path), "--checkpoint", str(tmp_path / "none")]) == 2
    assert "none" in said(capsys)


def test_a_checkpoint_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def foreign() -> None:
        raise ValueError("The folder holds no weights.")

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert app.main(["--home", str(tmp_path), "--port", str(port)], open_model=foreign) == 2
    assert "The folder holds no weights." in said(capsys)


def test_a_data_directory_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").write_text("in the way")
    assert app.main(["--home", str(tmp_path / "file"), "--port", "0"], open_model=never) == 2
    assert "file" in said(capsys)


def test_a_log_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "restroke.log").mkdir()
    assert app.main(["--home", str(tmp_path), "--port", "0"], open_model=never) == 2
    assert "restroke.log can't be written" in said(capsys)
