"""The report file: every suite's figures by protocol, with the run that each of them came from.

``{suite: {protocol: {tag: {"mean", "ci95", "n"}}}, "runs": {suite: {protocol: {...}}}}``, where a run says
its command, date, fingerprint and seconds. The model card is made from it. Reads and writes JSON, no more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.core.atomic_write import write_json
from engine.lab.evaluation import comparisons
from engine.lab.evaluation.statistics import Summary

Report = dict[str, Any]

SAME = ("fingerprint", "prompts", "seed")
"""What two runs must share before one is held against the other."""


def read(path: Path | None) -> Report:
    """What the file holds so far, or an empty report. Raises ``ValueError`` if it is no report."""
    if path is None or not path.exists():
        return {}
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); nothing was changed, name another file") from error
    if not isinstance(report, dict):
        raise ValueError(f"{path} holds no report; nothing was changed, name another file")
    return report


def has(report: Report, suite: str, protocol: str, run: Mapping[str, Any]) -> bool:
    """Whether the report holds the figures of just this run: same weights, settings, prompts and seed."""
    there = report.get("runs", {}).get(suite, {}).get(protocol)
    return there is not None and all(there.get(key) == value for key, value in run.items())


def merged(
    report: Report, suite: str, protocol: str, figures: Mapping[str, Summary], about: Mapping[str, Any]
) -> Report:
    """The report with one suite's figures under one protocol put in place of any older ones.

    ``about`` is the run: command, date, fingerprint, seconds and what it was asked for. What other weights
    scored is left out: a report is of one checkpoint.
    """
    kept: Report = {"runs": {}}
    for name, of_suite in report.get("runs", {}).items():
        same = {p: run for p, run in of_suite.items() if _weights(run) == _weights(about)}
        if same:
            kept["runs"][name] = same
            kept[name] = {p: report[name][p] for p in same if p in report[name]}
    runs = kept["runs"]
    return kept | {
        suite: kept.get(suite, {}) | {protocol: dict(figures)},
        "runs": runs | {suite: runs.get(suite, {}) | {protocol: dict(about)}},
    }


def _weights(about: Mapping[str, Any]) -> str | None:
    return about.get("fingerprint", {}).get("checkpoint")


def compared(report: Report) -> Report:
    """The report with what its story runs say against ``direct``, where the same prompts were drawn.

    ``OTHER over direct`` is the difference prompt by prompt; the best of N direct pictures is held against
    ``process``. Where the direct run has too few pictures a prompt, a note says so and no figures come.
    """
    if "story" not in report:
        return report
    runs = {p: run for p, run in report["runs"]["story"].items() if "hits" in run}
    story = {p: report["story"][p] for p in runs}
    direct, notes = runs.get("direct"), {}
    for name, run in runs.items():
        if direct is None or name == "direct" or any(direct[key] != run[key] for key in SAME):
            continue
        over = f"{name} over direct"
        story[over] = comparisons.over(direct, run)
        notes[over] = {"note": comparisons.OVER_NOTE} | _made_by(run)
        if name == "process" and direct["updates"]:
            notes[comparisons.BEST_OF] = _made_by(run)
            try:
                story[comparisons.BEST_OF], n = comparisons.best_of(direct, run)
                notes[comparisons.BEST_OF] |= {"note": comparisons.BEST_OF_NOTE, "pictures": n}
            except ValueError as error:
                notes[comparisons.BEST_OF] |= {"note": str(error)}
    return report | {"story": story, "runs": report["runs"] | {"story": runs | notes}}


def _made_by(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"fingerprint": run["fingerprint"]}


def write(path: Path, report: Report) -> None:
    """The file is the old report or the new one, never half of it."""
    write_json(path, report, ensure_ascii=False)
