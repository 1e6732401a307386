"""A database is brought up to date after a backup; a newer, foreign or damaged one gets a sentence."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, create_engine

from sessions import (
    DamagedDatabase,
    NewerDatabase,
    Store,
    StoreError,
    migrations,
)
from sessions.schema import Base
from tests.sessions.stories import ANN, grow, snapshot


class TestMigrations:
    """Newer scripts are this version's own with one more behind them."""

    @staticmethod
    def newer(tmp_path: Path, body: str) -> Path:
        scripts = tmp_path / "scripts"
        shutil.copytree(migrations.SCRIPTS, scripts)
        (scripts / "versions" / "2027_01_01_next.py").write_text(
            "from alembic import op\n"
            "import sqlalchemy as sa\n"
            "revision = '2027_01_01_next'\n"
            "down_revision = '2026_11_21_notes'\n"
            f"def upgrade():\n    op.add_column('sessions', sa.Column('note', sa.Text))\n    {body}\n"
        )
        return scripts

    @pytest.fixture
    def old(self, home):
        with Store.open(home) as store:
            grow(store)
        return home

    def test_they_make_the_tables_the_code_describes(self, old):
        engine = create_engine(URL.create("sqlite", database=str(old / "restroke.db")))
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []
        engine.dispose()

    def test_a_backup_comes_first(self, old, tmp_path):
        backup = migrations.upgrade(old, self.newer(tmp_path, "pass"))
        assert backup.parent == old / "backups"
        assert backup.name.startswith("2026_11_21_notes-")
        assert migrations.revision_of(backup) == "2026_11_21_notes"
        assert migrations.revision_of(old / "restroke.db") == "2027_01_01_next"
        for path, columns in ((backup, 8), (old / "restroke.db", 9)):
            with closing(sqlite3.connect(path)) as sql:
                assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                (row,) = sql.execute("SELECT * FROM sessions").fetchall()
                assert len(row) == columns
                assert sql.execute("SELECT count(*) FROM steps").fetchone() == (4,)

    def test_without_anything_to_migrate_there_is_no_backup(self, old):
        Store.open(old).close()
        assert not (old / "backups").exists()

    def test_one_that_fails_leaves_everything_as_it_was(self, old, tmp_path):
        scripts = self.newer(
            tmp_path, "op.create_table('half', sa.Column('x', sa.Text)); raise ValueError('Oh no.')"
        )
        with pytest.raises(
            StoreError, match=r"could not be brought up to date: Oh no\. It is unchanged \(a copy"
        ):
            migrations.upgrade(old, scripts)
        with closing(sqlite3.connect(old / "restroke.db")) as sql:
            assert sql.execute("SELECT name FROM sqlite_schema WHERE name = 'half'").fetchall() == []
            assert len(sql.execute("SELECT * FROM sessions").fetchone()) == 8
        with Store.open(old) as store:
            assert len(store.sessions.list(ANN)) == 1

    def test_a_newer_database_is_refused_untouched(self, old, tmp_path):
        migrations.upgrade(old, self.newer(tmp_path, "pass"))
        before = snapshot(old)
        with pytest.raises(
            NewerDatabase, match="last used by a newer Restroke.*2027_01_01_next.*Nothing was changed"
        ):
            Store.open(old)
        after = snapshot(old)
        assert {**after, "lock": ""} == {**before, "lock": ""}

    def test_a_refused_home_is_free_again(self, old, tmp_path):
        migrations.upgrade(old, self.newer(tmp_path, "pass"))
        for _ in range(2):
            with pytest.raises(NewerDatabase):
                Store.open(old)

    @pytest.mark.parametrize("content", [b"not a database at all, whatever its name says" * 40, None])
    def test_a_file_that_is_not_ours_is_refused_untouched(self, home, content):
        home.mkdir()
        path = home / "restroke.db"
        if content is None:
            with closing(sqlite3.connect(path)) as other:
                other.execute("CREATE TABLE birds (name)")
        else:
            path.write_bytes(content)
        before = path.read_bytes()
        with pytest.raises(DamagedDatabase, match="can't be read.*doctor"):
            Store.open(home)
        assert path.read_bytes() == before

    def test_a_start_that_was_cut_off_before_the_first_table_goes_on(self, home):
        home.mkdir()
        with closing(sqlite3.connect(home / "restroke.db")) as other:
            other.execute("PRAGMA journal_mode = WAL")
        with Store.open(home) as store:
            grow(store)


class TestADamagedRow:
    """Whatever lies in a row, reading it gives the value or a sentence, nothing else."""

    @pytest.fixture(scope="class")
    @classmethod
    def grown(cls, tmp_path_factory):
        with Store.open(tmp_path_factory.mktemp("rows")) as store:
            story = grow(store)
            store.runs.create(ANN, story.session.id, story.branch.id, {})
            store.notes.add(ANN, story.session.id, story.sketch.id, "What is it?")
            yield store, story

    @given(
        place=st.sampled_from(
            [(table.name, column.name) for table in Base.metadata.sorted_tables for column in table.columns]
        ),
        value=st.one_of(
            st.integers(-9, 9),
            st.floats(allow_nan=False),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
            st.binary(max_size=9),
            st.sampled_from(["[]", "{}", "null", "2026-01-01", "prompt", "[" * 5000]),
        ),
    )
    @example(place=("steps", "fields"), value="[" * 5000)
    @example(place=("steps", "session_id"), value=0)
    @example(place=("steps", "recipe"), value=b"\xff")
    @example(place=("sessions", "created_at"), value=0)
    @settings(max_examples=50, deadline=None)
    def test_of_any_kind_anywhere(self, grown, place, value):
        store, story = grown
        sid = story.session.id
        table, column = place
        path = store.home / "restroke.db"
        looks = (
            lambda: store.sessions.list(ANN, "house"),
            lambda: store.sessions.get(ANN, sid),
            lambda: store.tree.steps(ANN, sid),
            lambda: store.tree.trajectory(ANN, sid, story.inspect.id),
            lambda: store.tree.branches(ANN, sid),
            lambda: store.runs.list(ANN, sid),
            lambda: store.notes.list(ANN, sid),
            lambda: store.pictures.load(ANN, sid, story.sketch.image),
            lambda: store.pictures.export_png(ANN, sid, story.inspect.id),
            lambda: store.sessions.rename(ANN, sid, "new"),
        )
        with closing(sqlite3.connect(path)) as keep, closing(sqlite3.connect(":memory:")) as copy:
            keep.backup(copy)
            try:
                with keep, suppress(sqlite3.IntegrityError):
                    cast = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
                    keep.execute(f"UPDATE {table} SET {column} = {cast} WHERE rowid <= 2", (value,))
                for look in looks:
                    with suppress(StoreError):
                        look()
            finally:
                copy.backup(keep)

    def test_of_another_type_is_refused_by_the_table(self, store):
        grow(store)
        with sqlite3.connect(store.home / "restroke.db") as other:
            for change in ("title = x'00'", "seed = 'many'", "owner = NULL"):
                with pytest.raises(sqlite3.IntegrityError):
                    other.execute(f"UPDATE sessions SET {change}")

    def test_says_so_and_names_the_doctor(self, store):
        story = grow(store)
        with sqlite3.connect(store.home / "restroke.db") as other:
            other.execute("UPDATE steps SET fields = json_set(fields, '$.text', 'evil') WHERE number = 0")
        with pytest.raises(DamagedDatabase, match=r"the step [0-9a-f]{12} was changed.*doctor"):
            store.tree.steps(ANN, story.session.id)
