"""The report file: every suite's figures by protocol, with the run that each of them came from.

``{suite: {protocol: {tag: {"mean", "ci95", "n"}}}, "runs": {suite: {protocol: {...}}}}``; the floors keep
their own flat form beside it, which the model card reads. Reads and writes JSON, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.evaluation import best_of
from engine.evaluation.statistics import Summary

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


def merged(
    report: Report, suite: str, protocol: str, figures: Mapping[str, Summary], about: Mapping[str, Any]
) -> Report:
    """The report with one suite's figures under one protocol put in place of any older ones.

    ``about`` is the run: command, date, fingerprint, seconds and what it was asked for.
    """
    runs = report.get("runs", {})
    return report | {
        suite: report.get(suite, {}) | {protocol: dict(figures)},
        "runs": runs | {suite: runs.get(suite, {}) | {protocol: dict(about)}},
    }


def with_best_of(report: Report) -> Report:
    """The report with the best of N direct pictures, once the runs that it is counted from are there.

    Those are the story runs of ``direct`` and ``process`` on the same prompts by the same checkpoint. Where
    the direct run has too few pictures a prompt, a note says so and no figures come.
    """
    if "story" not in report:
        return report
    story, runs = dict(report["story"]), dict(report["runs"]["story"])
    story.pop(best_of.NAME, None)
    runs.pop(best_of.NAME, None)
    direct, process = runs.get("direct"), runs.get("process")
    if direct and process and direct["updates"] and all(direct[k] == process[k] for k in SAME):
        try:
            story[best_of.NAME], n = best_of.best_of(direct, process)
            runs[best_of.NAME] = {"note": best_of.NOTE, "pictures": n}
        except ValueError as error:
            runs[best_of.NAME] = {"note": str(error)}
    return report | {"story": story, "runs": report["runs"] | {"story": runs}}


def write(path: Path, report: Report) -> None:
    """The file is the old report or the new one, never half of it."""
    half = path.with_suffix(path.suffix + ".part")
    half.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    half.replace(path)
