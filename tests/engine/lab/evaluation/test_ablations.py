"""Ablations: what a switch changes, what a variant is trained by, and whole tables of the tiny model."""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.checkpoints.validated_folder import validate_folder
from engine.core.settings import Settings
from engine.inference.flow import Guidance
from engine.lab.evaluation import options
from engine.lab.evaluation.ablations import trained
from engine.lab.evaluation.ablations.command import measured
from engine.lab.evaluation.ablations.protocol_variants import PASSED, Inspectors
from engine.lab.evaluation.ablations.switches import SWITCHES, TURNS, examine_turns, upto
from engine.lab.evaluation.ablations.table import Table, write
from engine.lab.evaluation.ablations.trained import TRAINED_ABLATIONS
from engine.lab.evaluation.rollouts import Album, Outcome, carry_on, prompt_step
from engine.lab.evaluation.storyeval import Prompt
from engine.lab.evaluation.suite import Setup
from engine.lab.storybook.language.critique import critique_wrong
from engine.lab.storybook.scene.scene import Scene, Thing
from engine.lab.training import starting_point
from engine.lab.training.data.irg import MODES
from engine.lab.training.stages import read_plan, stretched
from engine.protocols.process import inspect_text
from tests.engine.lab.command_line import parsed, restroke
from tests.engine.lab.evaluation.small import small_checkpoint
from tests.engine.lab.evaluation.test_steering import WorldPainter
from tests.scripted import scripted_model

CAT = Scene("meadow", (Thing("cat", "red", 0.2, 0.8, 0.29),))
DOG = Scene("meadow", (Thing("dog", "red", 0.2, 0.8, 0.28),))


@pytest.mark.parametrize("cause", ["plan", "sketch", ""])
def test_an_inspector_that_is_off_is_not_heard(cause: str) -> None:
    raw = inspect_text(*critique_wrong(DOG, CAT, (), random.Random(1), cause))
    fault = Inspectors(("plan", "sketch")).parse("inspect", raw)
    assert fault["correction"]
    whose = cause or "sketch"
    assert Inspectors((whose,)).parse("inspect", raw) == fault
    other = {"plan": "sketch", "sketch": "plan"}[whose]
    assert Inspectors((other,)).parse("inspect", raw) == {"verdict": PASSED, "correction": ""}
    assert Inspectors().parse("inspect", raw)["correction"] == ""
    assert Inspectors().parse("inspect", inspect_text("All is right."))["verdict"] == "All is right."


def test_with_no_inspector_nothing_is_refined() -> None:
    def kinds(protocol: Inspectors) -> list[str]:
        model, settings = scripted_model(rounds=1, fault_rounds=(1,)), Settings(timesteps=3)
        steps = carry_on(model, [prompt_step("x", 0)], settings, Album(), 0, protocol=protocol).steps
        return [step.kind for step in steps]

    assert kinds(Inspectors(("sketch",))) == ["prompt", "plan", "sketch", "inspect", "refine"]
    assert kinds(Inspectors()) == ["prompt", "plan", "sketch", "inspect"]


def test_a_run_of_four_turns_holds_the_shorter_ones_byte_for_byte() -> None:
    def images(turns: int) -> list[str | None]:
        settings = Settings(protocol="irg", timesteps=3, turns=turns)
        outcome = carry_on(scripted_model(), [prompt_step("a red cat", 0)], settings, Album(), 0)
        return [step.image for step in outcome.steps if step.image]

    assert [images(turns) for turns in (1, 2, 3)] == [images(4)[:turns] for turns in (1, 2, 3)]
    setup = Setup(
        scripted_model(WorldPainter(CAT)), Settings(protocol="irg", timesteps=3, turns=4), 0, images=2
    )
    row = examine_turns(setup, Prompt("single object", 0, "a red cat", CAT))
    assert [one["cost"]["images"] for one in row["by_turn"]] == [2, 4, 6, 8]
    assert all(one["right"] == [True, True] for one in row["by_turn"])
    lines = SWITCHES["turns"].lines(SWITCHES["turns"].variants[0], [row])
    assert list(lines) == ["1 turn", "2 turns", "3 turns", "4 turns"]
    assert lines["3 turns"]["images a picture"]["mean"] == 3
    assert upto(Outcome([prompt_step("x", 0)]), 2).steps == [prompt_step("x", 0)]


@pytest.mark.parametrize("protocol", ["process", "irg"])
def test_the_second_picture_is_guided_by_the_contexts_that_are_on_and_the_first_as_ever(
    protocol: str,
) -> None:
    settings, asked = Settings(protocol=protocol, timesteps=3), []
    for variant in SWITCHES["guidance"].variants:
        model = scripted_model(rounds=1, protocols=(protocol,))
        grammar = variant.protocol(model.protocols[protocol])
        carry_on(model, [prompt_step("a red cat", 0)], settings, Album(), 0, protocol=grammar)
        first, second = (one["settings"] for one in model.painter.asked if one["call"] == "draw")
        assert first == settings
        asked.append(Guidance(second.guidance, second.image_guidance))
    begun = torch.tensor(1.0)
    none, text, picture, both = asked
    assert not none.active(begun) and text.active(begun) and text.image_scale == 1
    assert (both.text_scale, both.image_scale) == (2, 2), "the scales of the paper"
    v, text_free, image_free = torch.tensor([[[1.0, 2.0]], [[0.0, 5.0]], [[0.5, 2.5]]])
    alone = image_free + 2 * (v - image_free)
    assert picture.active(begun) and picture.image_scale == 2
    guided = replace(picture, renorm="text_channel").combine(v, text_free, image_free)
    torch.testing.assert_close(guided, alone, atol=0.01, rtol=0)


def budget(tmp_path: Path) -> trained.Budget:
    return trained.Budget(tmp_path, steps=10, shards=1, sessions=5, seed=3, device="cpu")


def test_variants_differ_in_their_data_alone(
    tmp_path: Path,
) -> None:
    def asked(variant: trained.DataVariant) -> list[dict[str, Any]]:
        made = trained.commands(variant, budget(tmp_path))
        assert all(command[1:3] == ["-m", "engine.lab.training"] for command in made)
        return [vars(parsed("train", *command[3:])) for command in made]

    first = asked(trained.SKETCHER)
    assert [one["stages"] for one in first] == [("data",), ("unified",), ("export",)]
    for variant in {
        variant
        for of in TRAINED_ABLATIONS.values()
        for variant in of.variants
        if isinstance(variant, trained.DataVariant)
    }:
        for one, other in zip(first, asked(variant), strict=True):
            differ = {key for key in one if one[key] != other[key]} - {"work", "out", "sampled", "call"}
            assert differ <= {"chains", "critique"}
            if other["stages"] != ("export",):
                assert (other["chains"], other["critique"]) == (variant.chains, variant.critique)
                assert (other["sampled"] is not None) == variant.self_samples


def test_variants_may_all_begin_with_one_checkpoint(tmp_path: Path) -> None:
    start, variant = small_checkpoint(tmp_path), trained.SKETCHER
    there = replace(budget(tmp_path), begin_from=start)
    folder = there.folder(variant)
    assert folder != budget(tmp_path).folder(variant)
    for _ in range(2):  # an ablation that goes on finds the beginning there
        trained.begin(folder, there, start / "ae.safetensors")
    begun = starting_point.begun(folder)
    assert begun is not None and begun.config == validate_folder(start).config
    with (start / "ema.safetensors").open("ab") as weights:
        weights.write(b" ")
    assert there.folder(variant) != folder, "other weights are another beginning"
    assert (
        "tuning" in trained.commands(variant, there)[1]
        and "process" in trained.commands(variant, budget(tmp_path))[1]
    )
    (tuning,), process = read_plan("tuning"), read_plan("process")
    assert tuning.matrix_rate < min(stage.matrix_rate for stage in process)


def test_who_sketches_is_trained_first() -> None:
    sampled = trained.DataVariant("varied", "self-sampled")
    assert trained.training_order((sampled,)) == [trained.SKETCHER, sampled]
    assert trained.training_order(TRAINED_ABLATIONS["edits"].variants) == list(
        TRAINED_ABLATIONS["edits"].variants
    )


def test_mixes_differ_in_their_families_alone_and_are_trained_as_long(tmp_path: Path) -> None:
    plans = []
    for mix in TRAINED_ABLATIONS["modes"].variants:
        there = replace(budget(tmp_path), steps=600)
        file = tmp_path / f"{mix.name}.toml"
        file.write_text(mix.plan(like=read_plan("tuning")[0]))
        stages = stretched(read_plan(str(file)), there.steps)
        assert sum(stage.steps for stage in stages) == there.steps
        assert all(stage.first["direct"] == stage.last["direct"] == 0.5 for stage in stages)
        assert len({stage.variant for stage in stages}) == 1
        assert {stage.matrix_rate for stage in stages} == {read_plan("tuning")[0].matrix_rate}
        plans.append([set(stage.first) for stage in stages])
        asked = [parsed("train", *command[3:]) for command in trained.commands(mix, there)]
        assert [one.stages for one in asked] == [("data",), ("unified",), ("export",)]
        assert {one.plan for one in asked[:2]} == {str(there.folder(mix) / trained.PLAN_FILE)}
    fine, both = {"direct", "initial full"}, {"direct", "initial full", "improving full"}
    assert plans == [[fine], [both], [{"direct", *MODES}, both]]


def test_a_variant_that_is_there_is_not_trained_again_and_a_failure_says_which(tmp_path: Path) -> None:
    variant, there = trained.SKETCHER, budget(tmp_path)
    there.checkpoint(variant).mkdir(parents=True)
    (there.checkpoint(variant) / "training.json").write_text("[]")
    trained.train(variant, there, tmp_path / "none.safetensors")
    assert not (there.folder(variant) / "ae.safetensors").exists()
    (there.checkpoint(variant) / "training.json").unlink()
    weights = small_checkpoint(tmp_path) / "ae.safetensors"
    broken = replace(there, steps="too many")
    with pytest.raises(OSError, match="varied, none"):
        trained.train(variant, broken, weights)
    assert (broken.folder(variant) / "ae.safetensors").exists()


@pytest.fixture
def one_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every checkpoint paints a red cat: the judge would look long at the noise of random weights."""
    painter = WorldPainter(CAT, rounds=1, fault_rounds=())
    monkeypatch.setattr(options, "model_of", lambda args: scripted_model(painter))


ABLATIONS = ("evaluate", "ablations")
SMALL = ["--prompts", "1", "--images", "1", "--workers", "1"]


@pytest.mark.usefixtures("one_scene")
@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("turns", ["1 turn", "2 turns", "3 turns", "4 turns"]),
        ("inspectors", ["both", "plan against prompt only", "sketch against plan only", "none"]),
        ("guidance", ["none", "text", "picture", "text and picture"]),
        ("outside", ["none", "planner", "inspector", "best of 4, step by step"]),
    ],
)
def test_a_switch_makes_its_table_from_the_command_line(name: str, lines: list[str], tmp_path: Path) -> None:
    assert restroke(*ABLATIONS, name, *SMALL, "--out", tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.json", f"{name}.md"]
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert list(found["rows"]) == lines
    assert found["about"]["command"].startswith(f"restroke evaluate ablations {name} --prompts 1")
    figures = [figure for row in found["rows"].values() for figure in row.values()]
    assert all({"mean", "ci95", "n"} <= set(figure) for figure in figures)
    assert f"| {lines[-1]} |" in (tmp_path / f"{name}.md").read_text()


def test_a_switch_is_of_its_own_protocols(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert restroke(*ABLATIONS, "outside", *SMALL, "--protocol", "irg", "--out", tmp_path) == 1
    assert "process only; nothing was run" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.usefixtures("one_scene")
def test_variants_are_measured_by_every_suite(tmp_path: Path) -> None:
    args: argparse.Namespace = parsed(*ABLATIONS, "critiques", *SMALL, "--out", tmp_path / "out")
    one = replace(TRAINED_ABLATIONS["critiques"], variants=TRAINED_ABLATIONS["critiques"].variants[:1])
    lines, about = measured(args, one, lambda variant: tmp_path / "variant" / "checkpoint")
    assert list(lines) == ["varied, none"] == list(about["fingerprint"])
    assert len(lines["varied, none"]) == sum(len(columns.figures) for columns in trained.BY_PROCESS)
    assert {"story: overall", "steering: obedience"} <= set(lines["varied, none"])


@pytest.mark.usefixtures("one_scene")
def test_a_variant_of_two_ablations_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def table(name: str) -> tuple[dict, dict]:
        args = parsed(*ABLATIONS, name, *SMALL, "--out", tmp_path / name)
        one = replace(TRAINED_ABLATIONS[name], variants=(trained.SKETCHER,), columns=trained.BY_PROCESS[:1])
        return measured(args, one, lambda variant: tmp_path / variant.name / "checkpoint")

    first = table("critiques")
    monkeypatch.setattr(WorldPainter, "draw", None)
    assert table("edits") == first


@pytest.mark.usefixtures("one_scene")
def test_mixes_are_measured_after_one_turn_and_after_two(tmp_path: Path) -> None:
    args = parsed(*ABLATIONS, "modes", *SMALL, "--out", tmp_path)
    one = replace(TRAINED_ABLATIONS["modes"], variants=trained.MIXES[:1])
    lines, _ = measured(args, one, lambda variant: tmp_path)
    (figures,) = lines.values()
    assert list(lines) == ["fine pictures only"]
    assert list(figures) == [
        f"{n}: {name}" for n in ("1 turn", "2 turns") for name in trained.BY_TURN[0].figures
    ]


def test_a_table_shows_nothing_where_nothing_was_measured(tmp_path: Path) -> None:
    figure = {"mean": 0.5, "ci95": [0.25, 0.75], "n": 4}
    about = {"command": "x", "date": "2026-01-01T00:00:00", "seconds": 1.0}
    rows = {"a": {"p": figure, "q": {"mean": None, "ci95": None, "n": 0}}, "b": {"q": figure}}
    write(Table("t", "A table", rows, about), tmp_path)
    text = (tmp_path / "t.md").read_text()
    assert "| a | 0.500 [0.250, 0.750] n = 4 |  |" in text and "| b |  | 0.500" in text
    assert json.loads((tmp_path / "t.json").read_text())["rows"]["b"] == {"q": figure}
    assert TURNS.name == "turns"
