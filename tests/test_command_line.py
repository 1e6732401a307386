"""The command ``restroke``: its help, what it imports, and output that any console can show."""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import app
from engine.core.assets import default_checkpoint
from engine.runs import paint
from tests.scripted import scripted_model

RESTROKE = Path(sysconfig.get_path("scripts")) / "restroke"
NAMES = sorted(app.COMMANDS)
SLOW = ("torch", "gradio", "sqlalchemy", "transformers")


def help_of(arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The help as a terminal of 80 columns shows it."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        app.main([*arguments, "--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


class TestHelp:
    def test_it_lists_every_command_on_one_line(self, capsys, monkeypatch):
        shown = help_of([], capsys, monkeypatch)
        lines = shown.splitlines()
        for name, (_, sentence) in app.COMMANDS.items():
            assert any(line.split(maxsplit=1) == [name, sentence] for line in lines), name
        assert max(map(len, lines)) <= 80
        assert all(f"--{option}" in shown for option in ("checkpoint", "profile", "host", "port", "home"))

    @pytest.mark.parametrize("name", NAMES)
    def test_every_command_has_one_that_fits_a_terminal(self, name, capsys, monkeypatch):
        shown = help_of([name], capsys, monkeypatch)
        assert shown.startswith(f"usage: restroke {name}")
        assert max(map(len, shown.splitlines())) <= 80

    @pytest.mark.parametrize(
        ("arguments", "unwanted"),
        [
            ([], (*SLOW, "engine.lab", "numpy")),
            (["paint"], (*SLOW, "engine.lab")),
            (["check"], (*SLOW, "engine.lab")),
            (["doctor"], ("torch", "gradio", "engine.lab")),
        ],
    )
    def test_it_waits_for_nothing_slow(self, arguments, unwanted):
        code = f"import sys, app\ntry: app.main({[*arguments, '--help']})\nexcept SystemExit: pass\n"
        code += f"print([name for name in {unwanted} if name in sys.modules])"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert found.stdout.splitlines()[-1] == "[]", found.stdout + found.stderr


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["pain"], "invalid choice: 'pain'"),
            (["--port", "7000", "paint"], "the command comes first: restroke paint"),
            (["--colour"], "unrecognized arguments: --colour"),
            (["--port", "x"], "invalid int value"),
        ],
    )
    def test_what_is_wrong_gets_a_sentence_and_exit_code_2(self, arguments, says, capsys):
        with pytest.raises(SystemExit) as stopped:
            app.main(arguments)
        assert stopped.value.code == 2 and says in capsys.readouterr().err

    def test_gradios_own_variables_are_honoured(self, monkeypatch):
        monkeypatch.setenv("GRADIO_SERVER_PORT", "7999")
        monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
        wish = app.options([])
        assert (wish.port, wish.host) == (7999, "0.0.0.0")
        assert app.options(["--port", "7000"]).port == 7000

    def test_benchmarks_need_a_checkout(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(app, "__file__", str(tmp_path / "app.py"))
        assert app.main(["bench"]) == 2
        assert "needs a checkout" in capsys.readouterr().err

    def test_ctrl_c_ends_a_command_without_a_traceback(self, capsys, monkeypatch):
        def interrupted(arguments: argparse.Namespace) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr("engine.placement.check.check", interrupted)
        assert app.main(["check"]) == 130
        assert capsys.readouterr().err == "restroke check: stopped\n"


def run(*arguments: str, encoding: str) -> subprocess.CompletedProcess[bytes]:
    """The real command, redirected, on a machine whose console speaks ``encoding``."""
    utf8 = {"PYTHONUTF8": "0", "PYTHONIOENCODING": encoding, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [RESTROKE, *arguments], env={**os.environ, **utf8}, capture_output=True, timeout=120
    )


class TestAConsoleThatLacksCharacters:
    """``“modèl” × · … 絵`` in the name of a folder: every encoding but UTF-8 lacks some of it."""

    NAME = "“modèl” × · … 絵"

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "utf-8"])
    def test_what_a_command_prints_is_escaped_where_it_must_be(self, encoding, tmp_path):
        found = run("doctor", "--home", str(tmp_path / self.NAME), encoding=encoding)
        shown = self.NAME.encode(encoding, "backslashreplace")
        assert shown in found.stdout.splitlines()[0] and shown in found.stderr
        assert b"Traceback" not in found.stderr and found.returncode == 1  # there is no such home

    def test_a_whole_check(self, tmp_path):
        folder = tmp_path / self.NAME
        folder.symlink_to(default_checkpoint())
        found = run("check", "--checkpoint", str(folder), encoding="cp932")
        assert found.returncode == 0, found.stderr.decode("cp932")
        assert self.NAME.encode("cp932", "backslashreplace") in found.stdout
        assert b"timesteps" in found.stdout and b"Traceback" not in found.stderr

    def test_a_painting_as_json_is_json_in_any_encoding(self, tmp_path, monkeypatch):
        prompt = "a “red” house · 絵 😀"
        stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", write_through=True)
        app.escape_what_cannot_be_written(stream)
        monkeypatch.setattr(sys, "stdout", stream)
        assert paint.paint(scripted_model(), tmp_path, prompt, "direct", 5, as_json=True) == 0
        told = json.loads(stream.buffer.getvalue().decode("cp1252"))
        assert prompt in told["steps"][0]["fields"].values()

    def test_a_name_that_is_no_text_at_all(self):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        app.escape_what_cannot_be_written(stream, None)
        stream.write("\udcff")  # a byte of a file name that isn't UTF-8
        assert stream.buffer.getvalue() == b"\\udcff"
