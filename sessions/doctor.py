"""``restroke doctor``: checks everything that a home holds and says what is wrong. It changes nothing.

(Where a crash left a database with a write-ahead log, SQLite may lay its shared-memory file beside
it for the reading; rows and pictures are never touched.) It may run while the studio is open; a
picture whose step is not kept yet can then show up as an extra file.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory

from engine.core.trajectory import Step
from sessions.errors import DamagedImage, NotFound, StoreError
from sessions.home import DATABASE, default_home
from sessions.images import ImageFiles
from sessions.migrations import SCRIPTS, read_only, revision_of
from sessions.records import NOTE_STATES, RUN_STATES


def add_to(commands: Any) -> None:
    """Adds the command ``doctor`` to subparsers of :mod:`argparse`."""
    command = commands.add_parser(
        "doctor",
        help="check saved sessions; change nothing",
        description="Checks every row, hash, pointer and picture of a home. Changes nothing.",
    )
    command.add_argument(
        "--home",
        metavar="DIR",
        type=Path,
        help="the folder to check (default: RESTROKE_HOME or your data folder)",
    )
    command.set_defaults(call=_call)


def _call(args: argparse.Namespace) -> int:
    """The exit code: 0 when all is well, 1 when there is a fault or nothing could be checked."""
    home = args.home.expanduser().absolute() if args.home else default_home()
    print(f"Checking {home}")
    try:
        checks = examine(home)
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    print(report(checks))
    return int(any(check.faults for check in checks))


@dataclass
class Check:
    """One kind of thing that was checked: how many, what is wrong, what is only worth knowing."""

    name: str
    checked: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def examine(home: Path) -> list[Check]:
    """Every check on the home. Raises :class:`StoreError` when nothing can be checked."""
    path = home / DATABASE
    if not path.is_file():
        raise NotFound(f"There is no {DATABASE} in {home}. Choose the folder with --home or RESTROKE_HOME.")
    found, head = revision_of(path), ScriptDirectory(str(SCRIPTS)).get_current_head()
    if found != head:
        raise StoreError(
            f"The database in {home} is at revision {found}; this version of Restroke checks {head}. Nothing "
            "was changed. Open the studio to bring an older database up to date; check a newer one with the "
            "version that wrote it."
        )
    with closing(read_only(path)) as sql:
        sql.row_factory = sqlite3.Row
        looks: dict[str, Callable[[Check, sqlite3.Connection], None]] = {
            "database": _database,
            "step hashes": _steps,
            "parents": _parents,
            "branches": _branches,
            "runs": _runs,
            "notes": _notes,
            "pictures": partial(_pictures, ImageFiles(home)),
        }
        checks = []
        for name, look in looks.items():
            check = Check(name)
            checks.append(check)
            try:
                look(check, sql)
            except sqlite3.DatabaseError as error:
                check.faults.append(f"can't be read: {error}")
        return checks


def report(checks: list[Check]) -> str:
    """The checks as a table, the faults and notes under it."""
    width = max(len(check.name) for check in checks)
    lines = [f"{'what':<{width}}  checked  faults"]
    lines += [f"{check.name:<{width}}  {check.checked:>7,}  {len(check.faults):>6,}" for check in checks]
    lines += [f"fault: {check.name}: {fault}" for check in checks for fault in check.faults]
    lines += [f"note: {check.name}: {note}" for check in checks for note in check.notes]
    faults = sum(len(check.faults) for check in checks)
    lines.append(
        f"{faults} fault(s). Nothing was changed. Older copies of the database are in the folder 'backups'."
        if faults
        else "All is well."
    )
    return "\n".join(lines)


def _database(check: Check, sql: sqlite3.Connection) -> None:
    check.checked = 1
    said = [row[0] for row in sql.execute("PRAGMA integrity_check")]
    check.faults += [line for line in said if line != "ok"]
    for row in sql.execute("PRAGMA foreign_key_check"):
        check.faults.append(f"row {row[1]} of {row[0]} refers to a row of {row[2]} that isn't there")


def _steps(check: Check, sql: sqlite3.Connection) -> None:
    for row in sql.execute("SELECT * FROM steps ORDER BY session_id, number"):
        check.checked += 1
        name = f"step {_short(row['id'])} of session {_short(row['session_id'])}"
        try:
            fields, recipe, _ = (json.loads(row[part]) for part in ("fields", "recipe", "result"))
            step = Step(row["parent"], row["kind"], row["author"], fields, row["image"], recipe)
            if step.id != row["id"]:
                check.faults.append(f"{name} was changed: its hash doesn't fit its content")
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            check.faults.append(f"{name} can't be read: {error}")


def _parents(check: Check, sql: sqlite3.Connection) -> None:
    known = _known_steps(sql)
    for row in sql.execute("SELECT session_id, id, parent FROM steps WHERE parent IS NOT NULL"):
        check.checked += 1
        if (row["session_id"], row["parent"]) not in known:
            check.faults.append(f"the parent of step {_short(row['id'])} isn't there")


def _branches(check: Check, sql: sqlite3.Connection) -> None:
    known = _known_steps(sql)
    for row in sql.execute("SELECT * FROM branches"):
        check.checked += 1
        for what, step in (("tip", row["tip"]), ("fork", row["forked_at"])):
            if step is not None and (row["session_id"], step) not in known:
                check.faults.append(f"the {what} of branch {_short(row['id'])} isn't there")
    for row in sql.execute("SELECT id FROM sessions WHERE id NOT IN (SELECT session_id FROM branches)"):
        check.faults.append(f"session {_short(row['id'])} has no branch")


def _runs(check: Check, sql: sqlite3.Connection) -> None:
    for row in sql.execute("SELECT id, state FROM runs"):
        check.checked += 1
        if row["state"] not in RUN_STATES:
            check.faults.append(f"run {_short(row['id'])} is in no known state")


def _notes(check: Check, sql: sqlite3.Connection) -> None:
    for row in sql.execute("SELECT id, state FROM notes"):
        check.checked += 1
        if row["state"] not in NOTE_STATES:
            check.faults.append(f"note {_short(row['id'])} is in no known state")


def _pictures(images: ImageFiles, check: Check, sql: sqlite3.Connection) -> None:
    rows = sql.execute("SELECT DISTINCT image FROM steps WHERE image IS NOT NULL")
    wanted = {row["image"] for row in rows}
    for digest in sorted(wanted, key=str):
        check.checked += 1
        try:
            images.load(digest)
        except DamagedImage as error:
            check.faults.append(f"{_short(digest)}: {error.why}")
        except (ValueError, TypeError) as error:
            check.faults.append(f"{_short(digest)}: {error}")
    extra = [images.path(digest) for digest in images.digests() if digest not in wanted]
    check.notes += [f"no step refers to {path}" for path in [*extra, *images.unexpected_files()]]


def _known_steps(sql: sqlite3.Connection) -> set[tuple[str, str]]:
    return {(row["session_id"], row["id"]) for row in sql.execute("SELECT session_id, id FROM steps")}


def _short(name: object) -> str:
    """The start of an id, escaped: a damaged row may hold anything."""
    return ascii(name)[1:-1][:16] if isinstance(name, str) else ascii(name)[:16]
