"""The doctor finds every kind of damage, changes nothing, and says nothing when all is well."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sessions import Store
from sessions.doctor import add_to
from tests.sessions.stories import ANN, ROOT, Story, child, grow, inspect, picture, plan, snapshot


@pytest.fixture(scope="module")
def sound_home(tmp_path_factory) -> tuple[Path, Story]:
    made = tmp_path_factory.mktemp("sound")
    with Store.open(made) as store:
        grown = grow(store)
        store.tree.fork(ANN, grown.session.id, inspect(grown.sketch.id, "bigger"))
        store.runs.create(ANN, grown.session.id, grown.branch.id, {})
        store.sessions.duplicate(ANN, grown.session.id)
    return made, grown


@pytest.fixture
def story(home, sound_home) -> Story:
    """A sound home, and the session in it."""
    shutil.copytree(sound_home[0], home)
    return sound_home[1]


def doctor(*words: str) -> int:
    """The command in this process; gives its exit code."""
    parser = argparse.ArgumentParser()
    add_to(parser.add_subparsers())
    wish = parser.parse_args(["doctor", *words])
    return wish.call(wish)


def examined(home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The doctor's exit status and words; it must not have changed a byte."""
    before = snapshot(home) if home.exists() else {}
    status = doctor("--home", str(home))
    assert (snapshot(home) if home.exists() else {}) == before
    said = capsys.readouterr()
    return status, said.out + said.err


def table(said: str) -> list[list[str]]:
    return [line.split() for line in said.splitlines()]


def sql(statement: str) -> Callable[[Path, Story], None]:
    """Damage by a row. ``:name`` stands for an id of the story."""

    def damage(home: Path, story: Story) -> None:
        names = {"sid": story.session.id, "plan": story.plan.id, "sketch": story.sketch.id}
        names |= {"branch": story.branch.id, "none": "ab" * 32}
        with closing(sqlite3.connect(home / "restroke.db", isolation_level=None)) as other:
            other.execute("PRAGMA foreign_keys = OFF")
            assert other.execute(statement, names).rowcount > 0

    return damage


def file(change: Callable[[Path], None]) -> Callable[[Path, Story], None]:
    """Damage to the story's picture file."""

    def damage(home: Path, story: Story) -> None:
        change(home / "images" / story.sketch.image[:2] / f"{story.sketch.image[2:]}.png")

    return damage


def torn_page(home: Path, story: Story) -> None:
    path = home / "restroke.db"
    with path.open("r+b") as out:
        out.seek(4096 * 3)
        out.write(b"\xff" * 4096 * 4)


AT_PLAN = "WHERE id = :plan AND session_id = :sid"
DAMAGE: dict[str, tuple[Callable[[Path, Story], None], str]] = {
    "a step's words": (
        sql(f"UPDATE steps SET fields = json_set(fields, '$.instruction', 'evil') {AT_PLAN}"),
        "fault: step hashes: step .* was changed: its hash doesn't fit",
    ),
    "a step's recipe": (
        sql("UPDATE steps SET recipe = json_set(recipe, '$.seed', 12) WHERE id = :sketch"),
        "was changed: its hash doesn't fit",
    ),
    "a step's author": (sql(f"UPDATE steps SET author = 'person' {AT_PLAN}"), "was changed: its hash"),
    "a step that is no JSON": (
        sql(f"UPDATE steps SET fields = '{{' {AT_PLAN}"),
        "fault: step hashes: .*can't be read",
    ),
    "a step with other fields": (sql(f"UPDATE steps SET fields = '[1]' {AT_PLAN}"), "can't be read"),
    "a step that is bytes": (
        sql(f"UPDATE steps SET recipe = CAST(x'ff00' AS TEXT) {AT_PLAN}"),
        "can't be read",
    ),
    "a result that is no JSON": (sql(f"UPDATE steps SET result = 'NULL' {AT_PLAN}"), "can't be read"),
    "a step gone": (sql(f"DELETE FROM steps {AT_PLAN}"), "fault: parents: the parent of step .* isn't there"),
    "a dangling row": (
        sql(f"DELETE FROM steps {AT_PLAN}"),
        "fault: database: row .* of steps refers to a row of steps",
    ),
    "a tip gone": (
        sql("UPDATE branches SET tip = :none WHERE id = :branch"),
        "fault: branches: the tip of branch",
    ),
    "a fork gone": (sql("UPDATE branches SET forked_at = :none WHERE id = :branch"), "the fork of branch"),
    "a session's branches gone": (
        sql("DELETE FROM branches WHERE session_id = :sid"),
        "session .* has no branch",
    ),
    "a run in no state": (sql("UPDATE runs SET state = 'finished'"), "fault: runs: run .* in no known state"),
    "a picture gone": (file(Path.unlink), "fault: pictures: .*its file is gone"),
    "a picture cut": (file(lambda path: os.truncate(path, 100)), "fault: pictures: .*its file was changed"),
    "a picture swapped": (file(lambda path: path.write_bytes(b"GIF89a")), "its file was changed"),
    "a picture's name": (
        sql("UPDATE steps SET image = '../../x' WHERE id = :sketch"),
        "64 hexadecimal digits",
    ),
    "a torn page": (torn_page, "fault: database: "),
    "no database": (lambda home, story: (home / "restroke.db").unlink(), "There is no restroke.db"),
    "another file": (lambda home, story: (home / "restroke.db").write_bytes(b"x" * 5000), "can't be read"),
    "a newer database": (
        sql("UPDATE alembic_version SET version_num = '2099_01_01_x'"),
        "is at revision 2099_01_01_x",
    ),
}


class TestTheDoctorFinds:
    @pytest.mark.parametrize("name", DAMAGE)
    def test(self, home, story, capsys, name):
        damage, words = DAMAGE[name]
        damage(home, story)
        status, said = examined(home, capsys)
        assert status == 1
        assert re.search(words, said), said
        assert "All is well" not in said

    def test_what_a_damaged_row_holds_is_printed_as_data(self, home, story, capsys):
        sql("UPDATE branches SET id = char(27) || '[31m', tip = :none WHERE id = :branch")(home, story)
        _, said = examined(home, capsys)
        assert "\x1b" not in said


class TestAllIsWell:
    def test_with_a_sound_home(self, home, story, capsys):
        status, said = examined(home, capsys)
        assert status == 0
        assert said.endswith("All is well.\n")
        rows = table(said)
        assert ["step", "hashes", "10", "0"] in rows
        assert ["branches", "4", "0"] in rows
        assert ["pictures", "1", "0"] in rows

    def test_extra_files_are_named_and_no_fault(self, home, story, capsys):
        with Store.open(home) as store:
            store.pictures.put(picture(50))
        (home / "images" / "holiday.txt").write_text("mine")
        status, said = examined(home, capsys)
        assert status == 0
        assert said.count("note: pictures: no step refers to") == 2
        assert "holiday.txt" in said

    def test_while_the_studio_has_it_open(self, home, story, capsys):
        with Store.open(home) as store:
            store.tree.fork(ANN, story.session.id, plan(story.prompt.id, "another idea"))
            assert doctor("--home", str(home)) == 0
            assert ["step", "hashes", "11", "0"] in table(capsys.readouterr().out)

    @pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
    def test_after_a_crash_with_rows_still_in_the_log(self, home, story, capsys):
        process = child(
            "import sys, time\n"
            "from tests.sessions.stories import plan\n"
            "from sessions import Store\n"
            "store = Store.open(sys.argv[1])\n"
            "store.tree.fork('ann', sys.argv[2], plan(sys.argv[3], 'the last words'))\n"
            "print('kept', flush=True); time.sleep(60)\n",
            *(home, story.session.id, story.prompt.id),
        )
        assert process.stdout.readline() == "kept\n"
        process.kill()
        process.communicate()
        rows = snapshot(home)
        assert doctor("--home", str(home)) == 0
        assert ["step", "hashes", "11", "0"] in table(capsys.readouterr().out)
        after = snapshot(home)
        assert {name: after[name] for name in ("restroke.db", "restroke.db-wal")} == {
            name: rows[name] for name in ("restroke.db", "restroke.db-wal")
        }


class TestTheCommandLine:
    def test_help_says_that_it_changes_nothing(self, capsys):
        with pytest.raises(SystemExit, match="0"):
            doctor("--help")
        assert "Changes nothing" in capsys.readouterr().out

    def test_it_looks_at_restroke_home(self, home, story):
        found = subprocess.run(
            [sys.executable, "-m", "app", "doctor"],
            cwd=ROOT,
            env={**os.environ, "RESTROKE_HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (found.returncode, found.stderr) == (0, "")
        assert str(home) in found.stdout

    def test_a_home_that_is_not_there_is_not_made(self, tmp_path, capsys):
        assert doctor("--home", str(tmp_path / "nowhere")) == 1
        assert "There is no restroke.db" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []
