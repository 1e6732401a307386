"""Ablations: what a switch changes, what an arm is trained by, and whole tables of the tiny model."""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.evaluation import options
from engine.evaluation.ablations import arms
from engine.evaluation.ablations.__main__ import main, measured, parser
from engine.evaluation.ablations.switches import (
    PASSED,
    SWITCHES,
    TURNS,
    Inspectors,
    examine_turns,
    upto,
)
from engine.evaluation.ablations.table import Table, write
from engine.evaluation.bench import Bench
from engine.evaluation.runs import Album, Outcome, carry_on, prompt_step
from engine.evaluation.storyeval import Prompt
from engine.protocols.process import inspect_text
from engine.settings import Settings
from engine.training.__main__ import parser as training_parser
from engine.world.critique import critique_wrong
from engine.world.scene import Scene, Thing
from tests.engine.evaluation.small import small_checkpoint
from tests.engine.evaluation.test_steering import WorldPainter
from tests.scripted import ScriptedPainter

CAT = Scene("meadow", (Thing("cat", "red", 0.2, 0.8, 0.29),))
DOG = Scene("meadow", (Thing("dog", "red", 0.2, 0.8, 0.28),))


@pytest.mark.parametrize("cause", ["plan", "sketch", ""])
def test_an_inspector_that_is_off_is_not_heard(cause: str) -> None:
    raw = inspect_text(*critique_wrong(DOG, CAT, (), random.Random(1), cause))
    fault = Inspectors("plan", "sketch").parse("inspect", raw)
    assert fault["correction"]
    whose = cause or "sketch"
    assert Inspectors(whose).parse("inspect", raw) == fault
    other = {"plan": "sketch", "sketch": "plan"}[whose]
    assert Inspectors(other).parse("inspect", raw) == {"verdict": PASSED, "correction": ""}
    assert Inspectors().parse("inspect", raw)["correction"] == ""
    assert Inspectors().parse("inspect", inspect_text("All is right."))["verdict"] == "All is right."


def test_with_no_inspector_nothing_is_refined() -> None:
    def kinds(protocol: Inspectors) -> list[str]:
        painter, settings = ScriptedPainter(rounds=1, fault_rounds=(1,)), Settings(timesteps=3)
        steps = carry_on(painter, [prompt_step("x", 0)], settings, Album(), 0, protocol=protocol).steps
        return [step.kind for step in steps]

    assert kinds(Inspectors("sketch")) == ["prompt", "plan", "sketch", "inspect", "refine"]
    assert kinds(Inspectors()) == ["prompt", "plan", "sketch", "inspect"]


def test_a_run_of_four_turns_holds_the_shorter_ones_byte_for_byte() -> None:
    def images(turns: int) -> list[str | None]:
        settings = Settings(protocol="irg", timesteps=3, turns=turns)
        outcome = carry_on(ScriptedPainter(), [prompt_step("a red cat", 0)], settings, Album(), 0)
        return [step.image for step in outcome.steps if step.image]

    assert [images(turns) for turns in (1, 2, 3)] == [images(4)[:turns] for turns in (1, 2, 3)]
    bench = Bench(WorldPainter(CAT), Settings(protocol="irg", timesteps=3, turns=4), 0, images=2)
    row = examine_turns(bench, Prompt("single object", 0, "a red cat", CAT))
    assert [one["cost"]["images"] for one in row["by_turn"]] == [2, 4, 6, 8]
    assert all(one["right"] == [True, True] for one in row["by_turn"])
    lines = SWITCHES["turns"].lines(SWITCHES["turns"].variants[0], [row])
    assert list(lines) == ["1 turn", "2 turns", "3 turns", "4 turns"]
    assert lines["3 turns"]["images a picture"]["mean"] == 3
    assert upto(Outcome([prompt_step("x", 0)]), 2).steps == [prompt_step("x", 0)]


@pytest.mark.parametrize("protocol", ["process", "irg"])
def test_guidance_is_really_off(protocol: str) -> None:
    asked = []
    for variant in SWITCHES["guidance"].variants:
        painter = ScriptedPainter(rounds=1)
        settings = replace(Settings(protocol=protocol, timesteps=3), **variant.settings)
        carry_on(painter, [prompt_step("a red cat", 0)], settings, Album(), 0)
        asked.append([one["settings"] for one in painter.asked if one["call"] == "draw"])
    none, text, both = asked
    assert len(none) == len(text) == len(both) == 2
    assert all(one.guidance <= 1 and one.image_guidance <= 1 for one in none)
    assert all(one.guidance > 1 and one.image_guidance <= 1 for one in text)
    assert all(one.guidance > 1 and one.image_guidance > 1 for one in both)


def budget(tmp_path: Path) -> arms.Budget:
    return arms.Budget(tmp_path, steps=10, shards=1, sessions=5, seed=3, device="cpu")


def test_arms_differ_in_their_lessons_alone(
    tmp_path: Path,
) -> None:
    def asked(arm: arms.Arm) -> list[dict[str, Any]]:
        made = arms.commands(arm, budget(tmp_path))
        assert all(command[1:3] == ["-m", "engine.training"] for command in made)
        return [vars(training_parser().parse_args(command[3:])) for command in made]

    first = asked(arms.SKETCHER)
    assert [one["stage"] for one in first] == ["data", "unified", "export"]
    for arm in {arm for of in arms.ARMS.values() for arm in of}:
        for one, other in zip(first, asked(arm), strict=True):
            differ = {key for key in one if one[key] != other[key]} - {"work", "out", "sampled"}
            assert differ <= {"chains", "critique"}
            if other["stage"] != "export":
                assert (other["chains"], other["critique"]) == (arm.chains, arm.critique)
                assert (other["sampled"] is not None) == (arm.critique == "self-sampled")


def test_who_sketches_is_trained_first() -> None:
    sampled = arms.Arm("varied", "self-sampled")
    assert arms.order((sampled,)) == [arms.SKETCHER, sampled]
    assert arms.order(arms.ARMS["edits"]) == list(arms.ARMS["edits"])


def test_an_arm_that_is_there_is_not_trained_again_and_a_failure_says_which(tmp_path: Path) -> None:
    arm, there = arms.SKETCHER, budget(tmp_path)
    there.checkpoint(arm).mkdir(parents=True)
    (there.checkpoint(arm) / "training.json").write_text("[]")
    arms.train(arm, there, tmp_path / "none.safetensors")
    assert not (there.folder(arm) / "ae.safetensors").exists()
    (there.checkpoint(arm) / "training.json").unlink()
    weights = small_checkpoint(tmp_path) / "ae.safetensors"
    broken = replace(there, device="no such device")
    with pytest.raises(OSError, match="varied, none"):
        arms.train(arm, broken, weights)
    assert (there.folder(arm) / "ae.safetensors").exists()


@pytest.fixture
def one_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every checkpoint paints a red cat: the judge would look long at the noise of random weights."""
    monkeypatch.setattr(options, "painter_of", lambda args: WorldPainter(CAT, rounds=1, fault_rounds=()))


SMALL = ["--prompts", "1", "--images", "1", "--workers", "1"]


@pytest.mark.usefixtures("one_scene")
@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("turns", ["1 turn", "2 turns", "3 turns", "4 turns"]),
        ("inspectors", ["both", "plan against prompt only", "sketch against plan only", "none"]),
        ("guidance", ["none", "text", "text and picture"]),
    ],
)
def test_a_switch_makes_its_table_from_the_command_line(name: str, lines: list[str], tmp_path: Path) -> None:
    assert main([name, *SMALL, "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.json", f"{name}.md"]
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert list(found["rows"]) == lines
    assert found["about"]["command"].startswith(f"python -m engine.evaluation.ablations {name}")
    figures = [figure for row in found["rows"].values() for figure in row.values()]
    assert all({"mean", "ci95", "n"} <= set(figure) for figure in figures)
    assert f"| {lines[-1]} |" in (tmp_path / f"{name}.md").read_text()


@pytest.mark.usefixtures("one_scene")
def test_arms_are_measured_by_every_suite(tmp_path: Path) -> None:
    args: argparse.Namespace = parser().parse_args(["critiques", *SMALL, "--out", str(tmp_path)])
    lines, about = measured(args, arms.ARMS["critiques"][:1], lambda arm: tmp_path)
    assert list(lines) == ["varied, none"] == list(about["fingerprint"])
    assert len(lines["varied, none"]) == sum(map(len, arms.COLUMNS.values()))
    assert {"story: overall", "steering: obedience"} <= set(lines["varied, none"])


def test_a_table_shows_nothing_where_nothing_was_measured(tmp_path: Path) -> None:
    figure = {"mean": 0.5, "ci95": [0.25, 0.75], "n": 4}
    about = {"command": "x", "date": "2026-01-01T00:00:00", "seconds": 1.0}
    rows = {"a": {"p": figure, "q": {"mean": None, "ci95": None, "n": 0}}, "b": {"q": figure}}
    write(Table("t", "A table", rows, about), tmp_path)
    text = (tmp_path / "t.md").read_text()
    assert "| a | 0.500 [0.250, 0.750] n = 4 |  |" in text and "| b |  | 0.500" in text
    assert json.loads((tmp_path / "t.json").read_text())["rows"]["b"] == {"q": figure}
    assert TURNS.name == "turns"
