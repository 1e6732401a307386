"""Connections: one writer behind a lock, readers on connections of their own.

SQLite lets one writer in at a time anyway; taking turns in Python makes the waiting fair and
spares every caller from "database is locked". Readers see the last committed state and never wait
for the writer (WAL). Both kinds begin their transactions explicitly, because Python's own driver
would begin them late. This module knows no table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock, local
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import Pool, QueuePool, StaticPool

from sessions.errors import StoreError, damaged_database, translated_errors

BUSY_SECONDS = 5.0


class Database:
    """The open database of one home.

    ``turn`` is the writer's lock: who changes the picture files beside the database holds it too.
    """

    def __init__(self, path: Path) -> None:
        self._home = path.parent
        self.turn = RLock()
        self._here = _InThread()
        self._writer = _engine(path, StaticPool, begin="BEGIN IMMEDIATE", query_only=False)
        self._reader = _engine(path, QueuePool, begin="BEGIN", query_only=True)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A writing session: committed when the block ends, undone when it raises.

        Inside another ``transaction()`` of the same thread it is a part of that one: undone alone when its
        own block raises, committed with the outer one. Waits for other threads' transactions. Raises
        :class:`~sessions.errors.StoreError` kinds.
        """
        outer = self._here.session
        if outer is not None:
            with translated_errors(self._home):
                part = outer.begin_nested()
                try:
                    yield outer
                except BaseException as error:
                    with suppress(DBAPIError):
                        part.rollback()
                    if (first := _before_its_undoing(error)) is not error:
                        raise first from None
                    raise
                part.commit()
            return
        session = Session(self._writer, expire_on_commit=False)
        with self.turn, self._soundly(), session, session.begin():
            self._here.session = session
            try:
                yield session
            finally:
                self._here.session = None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A reading session on one consistent state; writing through it fails.

        Inside a ``transaction()`` of the same thread it is that one, so that it sees what was just written.
        """
        if self._here.session is not None:
            yield self._here.session
            return
        with self._soundly(), Session(self._reader) as session, session.begin():
            yield session

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside a ``transaction()``."""
        return self._here.session is not None

    @contextmanager
    def raw(self) -> Iterator[Connection]:
        """The writer's own connection in a transaction, for migrations."""
        with self.turn, translated_errors(self._home), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _soundly(self) -> Iterator[None]:
        """What the block raises as the store's own errors; a ``ValueError`` is a row it can't read."""
        try:
            with translated_errors(self._home):
                yield
        except StoreError:
            raise
        except ValueError as error:
            raise damaged_database(self._home, error) from error

    def close(self) -> None:
        with self.turn:
            self._reader.dispose()
            self._writer.dispose()


class _InThread(local):
    session: Session | None = None


def _before_its_undoing(error: BaseException) -> BaseException:
    """The error that ended a block, where undoing the block failed after it and hides it.

    On a full disk SQLite undoes the whole transaction, so there is no savepoint left to go back to.
    """
    seen: BaseException | None = error
    while isinstance(seen, DBAPIError | sqlite3.Error) and "no such savepoint" in str(seen):
        seen = seen.__cause__ or seen.__context__
    return seen or error


def _engine(path: Path, pool: type[Pool], *, begin: str, query_only: bool) -> Engine:
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        poolclass=pool,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        connection.create_function("casefold", 1, _casefold, deterministic=True)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a step that was announced is on disk even if the power goes.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA query_only = {query_only:d}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _casefold(text: str | None) -> str | None:
    """Case folding beyond ASCII, which SQLite's own ``lower`` lacks."""
    return None if text is None else text.casefold()
