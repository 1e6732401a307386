"""The command line: what it leaves in the folder, and what a wrong argument gets."""

from __future__ import annotations

import hashlib
import json
import os
import signal

import PIL.Image
import pytest

from app import main
from engine.core.events import step_from_dict
from engine.runs import paint
from tests.scripted import scripted_model
from tests.tiny import CKPT


def told(folder):
    return json.loads((folder / "trajectory.json").read_text())


def test_a_painting_is_pngs_and_a_trajectory_that_names_them_by_digest(tmp_path, capsys):
    assert paint.paint(scripted_model(), tmp_path, "a red house", "process", 5) == 0
    written = told(tmp_path)
    steps = [step_from_dict(values) for values in written["steps"]]
    assert [s.kind for s in steps][:4] == ["prompt", "plan", "sketch", "inspect"]
    assert (written["state"], written["seed"], written["protocol"]) == ("done", 5, "process")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["02-sketch.png", "04-refine.png", "06-sketch.png", "trajectory.json"]
    for step in steps:
        if step.image:
            data = (tmp_path / written["files"][step.image]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == step.image
    assert PIL.Image.open(tmp_path / "02-sketch.png").size == (64, 64)
    shown = capsys.readouterr()
    assert "02-sketch.png" in shown.out and "Add a red house." in shown.out and shown.err == ""


def test_json_prints_the_trajectory_and_nothing_else(tmp_path, capsys):
    assert paint.paint(scripted_model(), tmp_path, "a cat", "direct", 5, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == told(tmp_path)


def test_ctrl_c_mid_sketch_leaves_what_is_finished(tmp_path, capsys):
    model = scripted_model(on_update=lambda n: os.kill(os.getpid(), signal.SIGINT) if n == 2 else None)
    before = signal.getsignal(signal.SIGINT)
    assert paint.paint(model, tmp_path, "a red house", "process", 5) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert [s["kind"] for s in told(tmp_path)["steps"]] == ["prompt", "plan"]
    assert told(tmp_path)["state"] == "cancelled" and "kept" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["trajectory.json"]


def test_a_failed_step_is_told_with_its_cause_and_the_status_is_1(tmp_path, capsys):
    assert paint.paint(scripted_model(texts=["", ""]), tmp_path, "a cat", "process", 5) == 1
    assert "could not be read" in capsys.readouterr().out and told(tmp_path)["state"] == "failed"


def test_control_characters_of_the_model_do_not_reach_the_terminal(tmp_path, capsys):
    model = scripted_model(texts=["<ins>Add\x1b[31m a cat.</ins>"], rounds=1)
    paint.paint(model, tmp_path, "a cat", "process", 5)
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["paint"], "PROMPT"),
        (["paint", "  "], "empty"),
        (["paint", "a\udcff"], "UTF-8"),
        (["paint", "a cat", "--protocol", "magic"], "magic"),
        (["paint", "a cat", "--seed", "-1"], "--seed"),
        (["paint", "a cat", "--seed", "x"], "whole number"),
    ],
)
def test_a_wrong_argument_gets_a_sentence_and_status_2(arguments, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and says in capsys.readouterr().err


def test_a_missing_checkpoint_is_named_in_one_line_and_leaves_no_folder(tmp_path, capsys):
    gone, out = tmp_path / "gone", tmp_path / "out"
    assert main(["paint", "a cat", "--checkpoint", str(gone), "--out", str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and str(gone) in lines[0] and "--checkpoint" in lines[0]
    assert not out.exists()


def test_a_profile_that_cannot_run_here_is_refused_with_the_reason(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("engine.placement.planner.gpus_here", list)
    wish = ["--checkpoint", str(CKPT), "--out", str(tmp_path / "out"), "--profile", "12gb"]
    assert main(["paint", "a cat", *wish]) == 1
    assert "12gb is for a GPU, and torch finds none" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_a_painting_is_left_alone(tmp_path, capsys):
    (tmp_path / "trajectory.json").write_text("mine")
    assert main(["paint", "a cat", "--checkpoint", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert "already" in capsys.readouterr().err
    assert (tmp_path / "trajectory.json").read_text() == "mine"


def test_an_output_path_that_is_a_file_gets_a_sentence(tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert main(["paint", "a cat", "--checkpoint", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "--out" in capsys.readouterr().err


def test_the_settings_that_the_checkpoint_recommends_are_used(tmp_path, capsys):
    model = scripted_model(sampling={"timesteps": 9, "guidance": 4.0})
    assert paint.paint(model, tmp_path, "a cat", "direct", 5) == 0
    used = told(tmp_path)["steps"][-1]["recipe"]["settings"]
    assert (used["timesteps"], used["guidance"], used["protocol"]) == (9, 4.0, "direct")


def test_a_protocol_the_checkpoint_offers_is_painted_and_another_is_refused_by_name(tmp_path, capsys):
    model = scripted_model(protocols=("process", "irg"))
    assert paint.paint(model, tmp_path, "a red house", "irg", 5) == 0
    assert [s["kind"] for s in told(tmp_path)["steps"]] == ["prompt", "think", "image", "reflect", "image"]
    with pytest.raises(paint.CannotPaintError, match="by think; it offers process, irg"):
        paint.paint(model, tmp_path, "a red house", "think", 5)
