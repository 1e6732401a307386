"""Stage plans: read, stretched, made a variant's own, refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.lab.training.data.irg import MODES
from engine.lab.training.data.variants import DataVariant
from engine.lab.training.export import protocols_of
from engine.lab.training.stages import read_plan, stretched, with_variant
from engine.lab.training.unified import TrainingRun
from tests.engine.lab.training.small import small_plan


class TestStages:
    def test_the_default_plan_ends_on_more_trajectories(self) -> None:
        first, joint = read_plan("default")
        for stage in (first, joint):
            for progress in (0.0, 0.3, 0.6, 1.0):
                assert sum(stage.shares(progress).values()) == pytest.approx(1)
        assert first.shares(1.0)["whole"] > 2 * first.shares(0.0)["whole"]
        assert joint.shares(1.0)["whole"] > first.shares(1.0)["whole"]
        assert (first.variant.critique, joint.variant.critique) == ("symbolic", "both")

    def test_every_step_has_its_stage(self) -> None:
        run = TrainingRun([*small_plan(3), *small_plan(5)])
        assert [run.at(step)[1] for step in (0, 2, 3, 7)] == [0, 2 / 3, 0, 0.8]
        with pytest.raises(IndexError):
            run.at(8)

    def test_a_plan_is_stretched_in_proportion(self) -> None:
        stages = [*small_plan(30), *small_plan(10)]
        assert [s.steps for s in stretched(stages, 400)] == [300, 100]
        assert stretched(stages, None) is stages

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "no stage"),
            ('[[stage]]\nname = "x"\nsteps = 2\nshares = {direct = 0.5}', "sum to 0.5"),
            ('[[stage]]\nname = "x"\nsteps = 2\nshares = {painting = 1}', "no such family.*painting"),
            ('[[stage]]\nname = "x"\nsteps = 0\nshares = {direct = 1}', "at least 1"),
            (
                '[[stage]]\nname = "x"\nsteps = 2\nshares = {direct = 1}\nrejected = "kept"',
                "masked or learned",
            ),
            ('[[stage]]\nname = "x"\nsteps = 2\nshares = {direct = 1}\nchains = "odd"', "no chains 'odd'"),
            (
                '[[stage]]\nname = "x"\nsteps = 2\nshares = {direct = 1}\nschedule = "up"',
                "cosine or constant",
            ),
            ('[[stage]]\nname = "x"\nsteps = 2\nshares = {direct = 1}\nshift = 0', "shift is 0"),
            ('[[stage]]\nname = "x"\nshares = {direct = 1}', "steps"),
        ],
    )
    def test_a_plan_that_cannot_be_says_why(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "plan.toml").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_plan(str(tmp_path / "plan.toml"))

    def test_the_papers_plans_are_there(self) -> None:
        multi, joint = read_plan("process")
        assert (multi.variant.critique, joint.variant.critique) == ("none", "self-sampled")
        six, full = read_plan("irg")
        assert all((stage.schedule, stage.shift) == ("constant", 4.0) for stage in (six, full))
        assert set(six.first) == set(MODES) and set(full.first) == {"initial full", "improving full"}
        assert six.first["initial full"] == 2 * six.first["improving thinking understanding"]

    def test_the_default_plan_has_all_protocols(self) -> None:
        stage = read_plan("default")[-1]
        past = [{"velocity_error": stage.shares(1.0)}]
        assert protocols_of(past) == ["process", "direct", "think", "irg"]
        assert protocols_of([{"velocity_error": {"direct": 0.2}}, {"psnr": 30}]) == ["direct"]

    def test_the_command_names_another_arm(self) -> None:
        stages = with_variant(read_plan("default"), "add-only", "none", "learned")
        assert {(stage.variant, stage.rejected) for stage in stages} == {
            (DataVariant("add-only", "none"), "learned")
        }
        assert with_variant(read_plan("process"), None, None, None) == read_plan("process")

    def test_an_unknown_plan_names_the_known(self) -> None:
        with pytest.raises(ValueError, match="default"):
            read_plan("nowhere")
