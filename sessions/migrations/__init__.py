"""Brings a database up to this version's tables, one dated script after the other.

Scripts are in ``versions/`` and are written by hand: named by date and purpose, forward only, never
renaming or dropping a table that others refer to (SQLite would silently re-point them).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from engine.core.atomic_write import atomic_path
from sessions.database import Database
from sessions.errors import NewerDatabase, StoreError, damaged_database, translated_errors
from sessions.home import BACKUPS, DATABASE

SCRIPTS = Path(__file__).parent


def upgrade(home: Path, scripts: Path = SCRIPTS) -> Path | None:
    """Migrates the database in ``home``, making it if there is none; gives the backup's path.

    The backup is made only when there is something to migrate. All steps happen in one transaction:
    a failure leaves the database as it was.

    Raises :class:`NewerDatabase` before anything is touched, :class:`StoreError` kinds otherwise.
    """
    path = home / DATABASE
    directory = ScriptDirectory(str(scripts))
    head = directory.get_current_head()
    now = revision_of(path) if path.exists() else None
    if now == head:
        return None
    if now is not None and now not in {script.revision for script in directory.walk_revisions()}:
        raise NewerDatabase(
            f"{home} was last used by a newer Restroke (its database is at revision {now}; this one knows "
            f"{head}). Nothing was changed. Start that newer version, or choose another folder with "
            "RESTROKE_HOME."
        )
    backup = _backup(home, now) if now is not None else None
    with _database(path) as database:
        try:
            with database.raw() as connection:
                config = Config(attributes={"connection": connection})
                # Config reads % as the start of a substitution.
                config.set_main_option("script_location", str(scripts).replace("%", "%%"))
                config.set_main_option("path_separator", "newline")
                command.upgrade(config, "head")
        except Exception as error:  # a script may raise anything; the transaction is undone all the same
            copy = f" (a copy is in {backup})" if backup else ""
            kind = type(error) if isinstance(error, StoreError) else StoreError
            raise kind(
                f"The database in {home} could not be brought up to date: {error} It is unchanged{copy}. "
                "Start again; if it fails again, use the version you had before."
            ) from error
    return backup


def revision_of(path: Path) -> str | None:
    """The revision a database is at, read without writing a byte; ``None`` for one without tables.

    Raises :class:`DamagedDatabase` when it isn't a database or isn't one of ours.
    """
    with translated_errors(path.parent):
        try:
            with closing(read_only(path)) as connection:
                if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                    return None
                rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.DatabaseError as error:
            raise damaged_database(path.parent, error) from error
    if len(rows) != 1:
        raise damaged_database(path.parent, "it does not say which version wrote it")
    revision: str = rows[0][0]
    return revision


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that can't write.

    A database at rest (no -wal file) is opened as immutable, or SQLite would lay its shared-memory
    files beside it.
    """
    rest = "" if path.with_name(path.name + "-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{rest}", uri=True, timeout=5.0)


def _backup(home: Path, revision: str) -> Path:
    """A whole copy through SQLite's online backup, under a name that says when and of what."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    target = home / BACKUPS / f"{revision}-{stamp}.db"
    with translated_errors(home):
        target.parent.mkdir(exist_ok=True)
        try:
            with (
                atomic_path(target) as part,
                closing(sqlite3.connect(home / DATABASE)) as source,
                closing(sqlite3.connect(part)) as copy,
            ):
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise StoreError(
                f"The database in {home} has to be brought up to date, and the backup before that "
                f"failed ({error}). Nothing was changed. Free some space, then start again."
            ) from error
    return target


@contextmanager
def _database(path: Path) -> Iterator[Database]:
    database = Database(path)
    try:
        yield database
    finally:
        database.close()
