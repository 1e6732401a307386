"""Runs one suite with one protocol: examines its cases, resumes from a file, writes the figures."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.settings import Settings
from engine.lab.evaluation import comparisons, cost, knowledge, results, steering, storyeval
from engine.lab.evaluation.parallel import Task, sequentially, side_by_side
from engine.lab.evaluation.results import Report
from engine.lab.evaluation.resume_file import resume_path, run_with_resume
from engine.lab.evaluation.suite import Row, Setup, Suite
from engine.protocols.base import Protocol

if TYPE_CHECKING:
    from engine.runs.opened_model import OpenedModel

SUITES: dict[str, Suite] = {
    suite.name: suite for suite in (storyeval.SUITE, steering.SUITE, knowledge.SUITE, cost.SUITE)
}


@dataclass(frozen=True)
class Request:
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
    model: OpenedModel, suite: Suite, settings: Settings, request: Request, before: Report | None = None
) -> tuple[Report, list[Row]]:
    """The suite by ``settings.protocol``; returns the whole report, and the rows of this run.

    The figures are put into the report of ``request.json``, which is written, or into the one ``before``.
    Interrupted with a ``request.json``, the same call goes on after its last finished case. Raises
    ``ValueError`` for a protocol that the suite makes no sense for.
    """
    protocol = settings.protocol
    if suite.protocols is not None and protocol not in suite.protocols:
        raise ValueError(
            f"the suite {suite.name!r} examines the protocol {', '.join(suite.protocols)} only; "
            f"nothing was run, give --protocol {suite.protocols[0]}"
        )
    report = results.read(request.json) if request.json else before or {}
    resume_file = resume_file_of(model, suite, settings, request) if request.json else None
    rows = rows_of(model, suite, settings, request, resume_file)
    about = about_run(model, suite, settings, request, rows)
    if suite is storyeval.SUITE:
        about |= comparisons.record_of(rows)
    report = results.compared(results.merged(report, suite.name, protocol, suite.summarise(rows), about))
    if request.json:
        results.write(request.json, report)
    if resume_file:  # only once the report holds what it holds
        resume_file.unlink(missing_ok=True)
    return report, rows


def rows_of(
    model: OpenedModel,
    suite: Suite,
    settings: Settings,
    request: Request,
    resume_file: Path | None = None,
    protocol: Protocol | None = None,
) -> list[Row]:
    """The rows of all the suite's cases, from ``resume_file`` as far as it goes.

    ``protocol`` takes the place of the settings' own.
    """
    prompts = request.prompts or suite.prompts
    cases = suite.cases(prompts, request.seed)
    setup = Setup(model, settings, request.seed, request.images, protocol)

    def rows_from(first: int) -> Generator[Row, None, None]:
        if suite.alone or request.workers == 1 or len(cases) - first < 2:
            return sequentially(setup, suite, cases[first:])
        task = Task(
            folder_of(model),
            request.profile,
            request.precision,
            dict(model.fingerprint),
            suite,
            settings,
            prompts,
            request.seed,
            request.images,
            model.max_pictures,
            protocol,
        )
        return side_by_side(task, first, len(cases), request.workers)

    return run_with_resume(len(cases), rows_from, resume_file, f"{suite.name}, {settings.protocol}")


def folder_of(model: OpenedModel) -> Path:
    """Where the model's checkpoint is. Raises ``ValueError`` for a model that has none."""
    if model.folder is None:
        raise ValueError("this needs a model that was opened from a checkpoint folder")
    return model.folder


def resume_file_of(
    model: OpenedModel, suite: Suite, settings: Settings, request: Request, **more: Any
) -> Path:
    """Where the rows are kept until the report is written. ``more`` sets runs of one suite apart."""
    assert request.json is not None
    heading = {"suite": suite.name, "protocol": settings.protocol, **more}
    return resume_path(request.json, heading | identity(model, suite, settings, request))


def identity(model: OpenedModel, suite: Suite, settings: Settings, request: Request) -> dict[str, Any]:
    """What must be equal for two runs of a suite to come to the same figures."""
    return {
        "fingerprint": dict(model.fingerprint),
        "settings": settings.as_dict(),
        "prompts": request.prompts or suite.prompts,
        "images": request.images,
        "seed": request.seed,
    }


def about_run(
    model: OpenedModel, suite: Suite, settings: Settings, request: Request, rows: Sequence[Row]
) -> dict[str, Any]:
    """What a report says of a run. ``seconds`` are those of all cases, summed over the workers."""
    return {
        **identity(model, suite, settings, request),
        "command": request.command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "workers": 1 if suite.alone else request.workers,
    }
