"""Runs a suite's cases with a progress bar and keeps every finished one, so that an interrupted run resumes.

One file a run, a line a case, in the order of the cases; what the lines mean is the suite's business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from engine.core.trajectory import canonical_json
from engine.lab.evaluation.suite import Row


def resume_path(report: Path, heading: Mapping[str, Any]) -> Path:
    """Beside the report; another suite, seed, checkpoint or setting in ``heading`` makes another file."""
    short = hashlib.sha256(canonical_json(dict(heading))).hexdigest()[:10]
    name = f"{report.stem}.{heading['suite']}-{heading['protocol']}-{short}.partial.jsonl"
    return report.with_name(name)


def run_with_resume(
    total: int, rows_from: Callable[[int], Generator[Row]], path: Path | None, title: str
) -> list[Row]:
    """The rows of ``total`` cases, those of ``path`` (if it is there) read, the rest from ``rows_from``.

    ``rows_from`` is given the number of the first case that is wanted. Each row is in the file before the
    next is asked for. A last line that a crash cut short is examined again.
    """
    rows = _read(path)[:total] if path is not None else []
    if len(rows) == total:
        return rows
    # disable=None: only on a terminal
    with (
        tqdm(total=total, initial=len(rows), desc=title, unit=" cases", disable=None) as bar,
        closing(rows_from(len(rows))) as fresh,
    ):
        for row in fresh:
            rows.append(row)
            if path is not None:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
            bar.update()
    return rows


def _read(path: Path) -> list[Row]:
    """The whole lines of a resume_file; what a crash left of another is cut off the file."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]
