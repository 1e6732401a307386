"""Runs a suite by a protocol: its cases, its journal, its figures in the report file and on the page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.evaluation import best_of, cost, knowledge, results, steering, storyeval
from engine.evaluation.bench import Bench, Row, Suite
from engine.evaluation.floors import examine_drawing, examine_edits
from engine.evaluation.journal import examine_all, journal_path
from engine.evaluation.report import page
from engine.settings import Settings

if TYPE_CHECKING:
    from engine.inference.painter import Painter

SUITES: dict[str, Suite] = {
    suite.name: suite for suite in (storyeval.SUITE, steering.SUITE, knowledge.SUITE, cost.SUITE)
}


@dataclass(frozen=True)
class Wish:
    """What a run is asked for besides its suite. ``command`` is how it was asked."""

    seed: int = 0
    prompts: int | None = None
    images: int = 4
    json: Path | None = None
    report: Path | None = None
    command: str = ""


def run_suite(painter: Painter, suite: Suite, settings: Settings, wish: Wish) -> dict[str, Any]:
    """The suite by ``settings.protocol``; returns the whole report and writes it where the wish says.

    Interrupted with a ``wish.json``, the same call goes on after its last finished case. Raises
    ``ValueError`` for a protocol that the suite makes no sense for.
    """
    protocol = settings.protocol
    if suite.protocols is not None and protocol not in suite.protocols:
        raise ValueError(
            f"the suite {suite.name!r} examines the protocol {', '.join(suite.protocols)} only; "
            f"nothing was run, give --protocol {suite.protocols[0]}"
        )
    report = results.read(wish.json)
    prompts = wish.prompts or suite.prompts
    asked = {"prompts": prompts, "images": wish.images, "seed": wish.seed}
    heading = {"suite": suite.name, "protocol": protocol, **asked, **_made_with(painter, settings)}
    journal = journal_path(wish.json, heading) if wish.json else None
    bench = Bench(painter, settings, wish.seed, wish.images)
    cases = suite.cases(prompts, wish.seed)
    rows = examine_all(cases, lambda case: suite.examine(bench, case), journal, f"{suite.name}, {protocol}")
    about = _made_with(painter, settings) | asked
    about |= {
        "command": wish.command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
    }
    if suite is storyeval.SUITE:
        about |= best_of.record_of(rows)
    report = results.merged(report, suite.name, protocol, suite.summarise(rows), about)
    report = results.with_best_of(report)
    _deliver(report, rows, wish, [journal])
    return report


def run_floors(painter: Painter, base: Settings, wish: Wish, counts: Mapping[str, int]) -> dict[str, Any]:
    """The three floors, ``counts`` of each of ``direct``, ``process`` and ``edits``; 0 leaves one out."""
    report, journals = results.read(wish.json), []
    report |= {"fingerprint": dict(painter.fingerprint), "settings": base.as_dict()}
    examinations = {"direct": examine_drawing, "process": examine_drawing, "edits": examine_edits}
    for name, examine in examinations.items():
        count = counts[name]
        if not count:
            continue
        protocol = "direct" if name == "direct" else base.protocol
        settings = Settings.from_dict(base.as_dict() | {"protocol": protocol})
        heading = {"suite": "floors", "protocol": name, "count": count, "seed": wish.seed}
        journal = journal_path(wish.json, heading | _made_with(painter, settings)) if wish.json else None
        report[name] = examine(painter, settings, count=count, seed=wish.seed, journal=journal)
        journals.append(journal)
        print(json.dumps({name: report[name]}), flush=True)
    _deliver(report, [], wish, journals)
    return report


def _made_with(painter: Painter, settings: Settings) -> dict[str, Any]:
    return {"fingerprint": dict(painter.fingerprint), "settings": settings.as_dict()}


def _deliver(
    report: dict[str, Any], rows: Sequence[Row], wish: Wish, journals: Sequence[Path | None]
) -> None:
    """Writes the files; the journals go only once the report holds what they hold."""
    if wish.report:
        wish.report.write_text(page(report, rows), encoding="utf-8")
    if wish.json:
        results.write(wish.json, report)
    for journal in journals:
        if journal is not None:
            journal.unlink(missing_ok=True)
