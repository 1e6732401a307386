"""Whole runs of the suites with a model without a network: report files, going on, the page."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.core.settings import Settings
from engine.inference.painter import open_painter
from engine.lab.evaluation import comparisons, options, parallel, results
from engine.lab.evaluation.cost import cost_of
from engine.lab.evaluation.parallel import Task, side_by_side
from engine.lab.evaluation.peak_memory import peak_bytes, reset_peak
from engine.lab.evaluation.report import page
from engine.lab.evaluation.resume_file import resume_path, run_with_resume
from engine.lab.evaluation.rollouts import Album, carry_on, prompt_step
from engine.lab.evaluation.runner import SUITES, Request, rows_of, run_suite
from engine.lab.evaluation.suite import Setup, Suite
from engine.runs.opened_model import OpenedModel, with_protocols
from tests.engine.lab.command_line import restroke
from tests.engine.lab.evaluation.small import small_checkpoint
from tests.scripted import scripted_model

PROCESS = Settings(timesteps=3, max_rounds=2)
DIRECT = PROCESS.replace(protocol="direct")


def numbers(prompts: int, seed: int) -> list[int]:
    return list(range(prompts))


def first_alone_ends(setup: Setup, case: int) -> dict[str, Any]:
    while case:
        time.sleep(0.01)
    return {"case": case}


def nothing(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {}


ENDLESS = Suite("endless", "Never comes to its end.", None, 3, numbers, first_alone_ends, nothing)
"""Of functions by name, which another process finds."""


def figures_are_whole(figures: dict[str, Any]) -> bool:
    return all({"mean", "ci95", "n"} <= set(figure) for figure in figures.values())


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_runs_from_its_cases_to_its_figures(name: str, tmp_path: Path) -> None:
    request = Request(prompts=1, images=2, json=tmp_path / "r.json", command="x")
    report, rows = run_suite(scripted_model(), SUITES[name], PROCESS, request)
    assert report == json.loads(request.json.read_text())
    assert figures_are_whole(report[name]["process"])
    about = report["runs"][name]["process"]
    assert {"command", "date", "fingerprint", "seconds", "prompts", "images", "seed"} <= set(about)
    assert f"<h2>{name}</h2>" in page(report, {(name, "process"): rows})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json"]


def test_suites_and_protocols_are_merged_into_one_file(tmp_path: Path) -> None:
    request = Request(prompts=1, images=2, json=tmp_path / "r.json")
    run_suite(scripted_model(), SUITES["cost"], PROCESS, request)
    run_suite(scripted_model(), SUITES["story"], DIRECT, request)
    report, _ = run_suite(scripted_model(rounds=1, fault_rounds=(1,)), SUITES["story"], PROCESS, request)
    assert set(report["cost"]) == {"process"}
    assert set(report["story"]) == {"direct", "process", "process over direct", comparisons.BEST_OF}
    about = report["runs"]["story"][comparisons.BEST_OF]
    assert about["pictures"] == 2 and "upper bound" in about["note"]
    again, _ = run_suite(scripted_model(), SUITES["cost"], PROCESS, replace(request, prompts=2))
    assert again["cost"]["process"]["images"]["n"] == 2
    assert set(again["story"]) == set(report["story"])


def test_too_few_pictures_for_the_best_of_n_are_a_note(tmp_path: Path) -> None:
    request = Request(prompts=1, images=1, json=tmp_path / "r.json")
    run_suite(scripted_model(), SUITES["story"], DIRECT, request)
    report, _ = run_suite(scripted_model(rounds=2), SUITES["story"], PROCESS, request)
    assert comparisons.BEST_OF not in report["story"]
    assert "--images" in report["runs"]["story"][comparisons.BEST_OF]["note"]
    assert "--images" in page(report, {})


def test_an_interrupted_run_goes_on_after_its_last_case(tmp_path: Path) -> None:
    request = Request(prompts=3, json=tmp_path / "r.json")

    def stop_at(number: int) -> OpenedModel:
        def on_update(index: int) -> None:
            if index == 1 and sum(a["call"] == "draw" for a in model.painter.asked) == number:
                raise KeyboardInterrupt

        model = scripted_model(on_update=on_update)
        return model

    with pytest.raises(KeyboardInterrupt):
        run_suite(stop_at(3), SUITES["cost"], DIRECT, request)
    (resume_file,) = tmp_path.glob("*.partial.jsonl")
    assert len(resume_file.read_text().splitlines()) == 2 and not request.json.exists()
    rest = scripted_model()
    report, _ = run_suite(rest, SUITES["cost"], DIRECT, request)
    assert report["cost"]["direct"]["images"]["n"] == 3
    assert sum(asked["call"] == "draw" for asked in rest.painter.asked) == 1
    assert not resume_file.exists()


def test_figures_of_other_weights_do_not_stay_in_a_report() -> None:
    def run(checkpoint: str) -> dict[str, Any]:
        return {"fingerprint": {"checkpoint": checkpoint}, "prompts": 1}

    figure = {"a": {"mean": 1.0, "ci95": [1.0, 1.0], "n": 1}}
    report = results.merged({"direct": {"objects": 0.2}}, "story", "direct", figure, run("old"))
    assert set(report) == {"story", "runs"}
    report = results.merged(report, "cost", "direct", figure, run("old"))
    assert set(report) == {"story", "cost", "runs"}
    assert results.has(report, "cost", "direct", run("old"))
    assert not results.has(report, "cost", "direct", run("new"))
    report = results.merged(report, "cost", "process", figure, run("new"))
    assert set(report) == {"cost", "runs"} and set(report["cost"]) == {"process"}
    assert set(report["runs"]) == {"cost"}


def test_several_processes_come_to_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    model = with_protocols(open_painter(small_checkpoint(tmp_path)))
    request = Request(prompts=3, workers=2, profile="cpu")
    tiny = DIRECT.replace(timesteps=3)
    suite = replace(SUITES["cost"], alone=False)
    resume_file = tmp_path / "j.jsonl"
    model = model.with_max_pictures(5)  # as by a GPU that is less full than it will be for the others
    alone = rows_of(model, suite, tiny, replace(request, workers=1))
    resume_file.write_text(json.dumps(alone[0]) + "\n")  # the first is there: only the others are examined
    beside = rows_of(model, suite, tiny, request, resume_file)
    assert [json.loads(line) for line in resume_file.read_text().splitlines()] == beside

    def timeless(row: dict[str, Any]) -> dict[str, Any]:
        cost = {name: value for name, value in row["cost"].items() if name != "seconds"}
        return {"cost": cost}

    assert [timeless(row) for row in beside] == [timeless(row) for row in alone] and len(alone) == 3


def test_who_stops_asking_stops_the_case_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "forkserver" in multiprocessing.get_all_start_methods():  # it imports once for both processes
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(["engine.placement.open", __name__])
        monkeypatch.setattr(parallel, "get_context", lambda method: server)
    model = with_protocols(open_painter(small_checkpoint(tmp_path)))
    task = Task(model.folder, "cpu", None, dict(model.fingerprint), ENDLESS, DIRECT, 3, 0, 1, 20)
    rows = side_by_side(task, 0, 3, 2)
    assert next(rows)["case"] == 0
    ending = threading.Thread(target=rows.close, daemon=True)
    ending.start()
    ending.join(120)
    assert not ending.is_alive()


def test_half_a_line_is_examined_again_and_whole_ones_are_kept(tmp_path: Path) -> None:
    resume_file = tmp_path / "x.partial.jsonl"
    resume_file.write_text('{"value": 7}\n{"val')
    rows = run_with_resume(3, lambda first: ({"value": case} for case in [1, 2, 3][first:]), resume_file, "x")
    assert [row["value"] for row in rows] == [7, 2, 3]
    assert [json.loads(line)["value"] for line in resume_file.read_text().splitlines()] == [7, 2, 3]


def test_another_seed_or_checkpoint_does_not_go_on_from_these_cases(tmp_path: Path) -> None:
    heading = {"suite": "story", "protocol": "direct", "seed": 0}
    path = resume_path(tmp_path / "r.json", heading)
    assert path.parent == tmp_path and path.name.endswith(".partial.jsonl")
    assert resume_path(tmp_path / "r.json", heading | {"seed": 1}) != path


def test_a_suite_says_which_protocols_it_is_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--protocol process"):
        run_suite(scripted_model(), SUITES["knowledge"], DIRECT, Request(json=tmp_path / "r.json"))


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_is_no_report_is_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="nothing was changed"):
        results.read(path)
    assert path.read_text() == text


def test_the_cost_knows_the_most_memory_since_it_was_told_to_forget() -> None:
    reset_peak("cpu")
    before = peak_bytes("cpu")
    much = bytearray(os.urandom(1)) * 200_000_000
    assert peak_bytes("cpu") - before > 150_000_000
    assert len(much) and peak_bytes("cpu") > 150_000_000


def test_the_cost_counts_the_models_own_steps() -> None:
    model = scripted_model(rounds=1, fault_rounds=(1,))
    steps = carry_on(model, [prompt_step("a red house", 0)], PROCESS, Album(), 0).steps
    cost = cost_of(steps)
    assert (cost["images"], cost["updates"], cost["forwards"]) == (2, 8, 16)
    assert cost["tokens"] == sum(step.result["tokens"] for step in steps[1:]) > 0


def test_the_page_escapes_what_a_model_wrote(tmp_path: Path) -> None:
    figure = {"mean": 0.5, "ci95": [0.25, 0.75], "n": 4}
    report = results.merged({}, "story", "direct", {"<b>tag</b>": figure}, {"command": "<script>"})
    rows = [{"shown": [{"png": "aGVsbG8=", "caption": "<img src=x>", "right": True}]}, {}]
    html = page(report, {("story", "direct"): rows})
    assert "<script>" not in html and "<b>tag" not in html and "<img src=x>" not in html
    assert "&lt;img src=x&gt;" in html and 'src="data:image/png;base64,aGVsbG8="' in html
    assert "prefers-color-scheme: dark" in html and "0.500" in html and "[0.250, 0.750]" in html


def test_the_page_shows_right_and_wrong_cases_in_turn_and_says_which() -> None:
    def case(name: str, right: bool) -> dict[str, Any]:
        before = {"png": "", "caption": f"{name} before", "right": None}
        return {"shown": [before, {"png": "", "caption": f"{name} after", "right": right}]}

    report = results.merged({}, "story", "direct", {}, {})
    html = page(report, {("story", "direct"): [case("a", True), case("b", True), case("c", False)]})
    places = [html.index(words) for words in ("a before", "a after", "c before", "c after", "b before")]
    assert places == sorted(places)
    assert html.count("<figure") == 6 and html.count(">wrong<") == 1 and html.count(">right<") == 2
    assert "<figure" not in page(report, {("story", "direct"): [{}]})


def test_one_page_has_every_suite_of_a_command_with_its_own_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def suite(name: str) -> Suite:
        picture = {"png": "", "caption": f"{name} picture", "right": True}
        row = {"shown": [picture]}
        return replace(
            SUITES["cost"],
            name=name,
            cases=lambda prompts, seed: [0],
            examine=lambda setup, case: dict(row),
            summarise=lambda rows: {f"{name} figure": {"mean": 1.0, "ci95": [1.0, 1.0], "n": len(rows)}},
        )

    model = scripted_model(protocols=("process", "direct"))
    monkeypatch.setattr(options, "model_of", lambda args: model)
    for name in ("story", "knowledge"):
        monkeypatch.delitem(SUITES, name)
    for name in ("steering", "cost"):
        monkeypatch.setitem(SUITES, name, suite(name))
    target = tmp_path / "r.html"
    assert restroke("evaluate", "--prompts", "1", "--workers", "1", "--report", str(target)) == 0
    html = target.read_text()
    parts = dict(zip(SUITES, html.split("<h2>")[1:], strict=True))
    for name, part in parts.items():
        assert part.startswith(name) and part.count(f"{name} figure") == 1
        assert part.count(f"{name} picture") == part.count("<figure ") == 2, "one of each protocol"
        assert part.index("pictures, process") < part.index("pictures, direct")
        assert "not kept" not in part
    kept = ["--prompts", "1", "--workers", "1", "--json", str(tmp_path / "r.json")]
    assert restroke("evaluate", *kept, "--protocol", "direct") == 0
    assert restroke("evaluate", *kept, "--report", str(target)) == 0
    for part in target.read_text().split("<h2>")[1:]:
        assert part.count("<figure ") == 1 and "Pictures of direct were drawn" in part


def test_of_all_suites_those_that_a_protocol_is_for_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    monkeypatch.setattr(options, "model_of", lambda args: scripted_model(protocols=("process", "direct")))
    monkeypatch.setattr(
        "engine.lab.evaluation.command.run_suite",
        lambda model, suite, settings, request, report: (
            ran.append((suite.name, settings.protocol))
            or ({suite.name: {settings.protocol: {}}, "runs": {suite.name: {settings.protocol: {}}}}, [])
        ),
    )
    assert restroke("evaluate", "--prompts", "1", "--workers", "1", "--protocol", "direct") == 0
    assert sorted(ran) == [("cost", "direct"), ("story", "direct")]


def test_the_command_line_refuses_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert restroke("evaluate", "wise", str(tmp_path / "none.json"), "--out", str(tmp_path)) == 1
    assert "none.json" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        restroke("evaluate", "--suite", "taste")
    with pytest.raises(SystemExit):
        restroke("evaluate", "--suite", "cost", "--prompts", "0")
