"""Runs a suite by a protocol: its cases, its journal, its figures in the report file and on the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.settings import Settings
from engine.lab.evaluation import comparisons, cost, knowledge, results, steering, storyeval
from engine.lab.evaluation.parallel import Task, in_turn, side_by_side
from engine.lab.evaluation.results import Report
from engine.lab.evaluation.resume_file import gather, journal_path
from engine.lab.evaluation.suite import Bench, Row, Suite
from engine.protocols.base import Protocol

if TYPE_CHECKING:
    from engine.inference.painter import Painter

SUITES: dict[str, Suite] = {
    suite.name: suite for suite in (storyeval.SUITE, steering.SUITE, knowledge.SUITE, cost.SUITE)
}


@dataclass(frozen=True)
class Wish:
    """What a run is asked for besides its suite. ``command`` is how it was asked.

    ``workers`` is how many processes examine at once; with one, all is done in this process.
    Others open the checkpoint by ``profile`` and ``precision``.
    """

    seed: int = 0
    prompts: int | None = None
    images: int = 4
    json: Path | None = None
    command: str = ""
    workers: int = 1
    profile: str | None = None
    precision: str | None = None


def run_suite(
    painter: Painter, suite: Suite, settings: Settings, wish: Wish, before: Report | None = None
) -> tuple[Report, list[Row]]:
    """The suite by ``settings.protocol``; returns the whole report, and the rows of this run.

    The figures are put into the report of ``wish.json``, which is written, or into the one ``before``.
    Interrupted with a ``wish.json``, the same call goes on after its last finished case. Raises
    ``ValueError`` for a protocol that the suite makes no sense for.
    """
    protocol = settings.protocol
    if suite.protocols is not None and protocol not in suite.protocols:
        raise ValueError(
            f"the suite {suite.name!r} examines the protocol {', '.join(suite.protocols)} only; "
            f"nothing was run, give --protocol {suite.protocols[0]}"
        )
    report = results.read(wish.json) if wish.json else before or {}
    journal = journal_of(painter, suite, settings, wish) if wish.json else None
    rows = rows_of(painter, suite, settings, wish, journal)
    about = about_run(painter, suite, settings, wish, rows)
    if suite is storyeval.SUITE:
        about |= comparisons.record_of(rows)
    report = results.compared(results.merged(report, suite.name, protocol, suite.summarise(rows), about))
    if wish.json:
        results.write(wish.json, report)
    if journal:  # only once the report holds what it holds
        journal.unlink(missing_ok=True)
    return report, rows


def rows_of(
    painter: Painter,
    suite: Suite,
    settings: Settings,
    wish: Wish,
    journal: Path | None = None,
    protocol: Protocol | None = None,
) -> list[Row]:
    """The rows of all the suite's cases, from ``journal`` as far as it goes.

    ``protocol`` takes the place of the settings' own.
    """
    prompts = wish.prompts or suite.prompts
    cases = suite.cases(prompts, wish.seed)
    bench = Bench(painter, settings, wish.seed, wish.images, protocol)

    def rows_from(first: int) -> Iterator[Row]:
        if suite.alone or wish.workers == 1 or len(cases) - first < 2:
            return in_turn(bench, suite, cases[first:])
        task = Task(
            painter.checkpoint.folder,
            wish.profile,
            wish.precision,
            dict(painter.fingerprint),
            suite,
            settings,
            prompts,
            wish.seed,
            wish.images,
            painter.max_pictures,
            protocol,
        )
        return side_by_side(task, first, len(cases), wish.workers)

    return gather(len(cases), rows_from, journal, f"{suite.name}, {settings.protocol}")


def journal_of(painter: Painter, suite: Suite, settings: Settings, wish: Wish, **more: Any) -> Path:
    """Where the rows are kept until the report is written. ``more`` sets runs of one suite apart."""
    assert wish.json is not None
    heading = {"suite": suite.name, "protocol": settings.protocol, **more}
    return journal_path(wish.json, heading | identity(painter, suite, settings, wish))


def identity(painter: Painter, suite: Suite, settings: Settings, wish: Wish) -> dict[str, Any]:
    """What must be equal for two runs of a suite to come to the same figures."""
    return {
        "fingerprint": dict(painter.fingerprint),
        "settings": settings.as_dict(),
        "prompts": wish.prompts or suite.prompts,
        "images": wish.images,
        "seed": wish.seed,
    }


def about_run(
    painter: Painter, suite: Suite, settings: Settings, wish: Wish, rows: Sequence[Row]
) -> dict[str, Any]:
    """What a report says of a run. ``seconds`` are those of all cases, summed over the workers."""
    return {
        **identity(painter, suite, settings, wish),
        "command": wish.command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "workers": 1 if suite.alone else wish.workers,
    }
