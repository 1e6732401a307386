"""A home is opened by one process at a time and survives a crash, a full disk and a damaged picture."""

from __future__ import annotations

import signal
import sys
from contextlib import closing

import pytest

from sessions import (
    DiskFull,
    HomeInUse,
    NotWritable,
    Store,
    StoreError,
    default_home,
    migrations,
)
from tests.sessions.stories import ANN, child, grow, picture, plan

HOLD = """
import sys, time
from tests.sessions.stories import grow
from sessions import Store
store = Store.open(sys.argv[1])
story = grow(store)
run = store.runs.create("ann", story.session.id, story.branch.id, {})
store.runs.set("ann", run.id, "running")
print(story.session.id, flush=True)
time.sleep(60)
"""


class TestWhereTheHomeIs:
    def test_restroke_home_chooses(self, monkeypatch, tmp_path):
        monkeypatch.setenv("RESTROKE_HOME", str(tmp_path / "chosen"))
        assert default_home() == tmp_path / "chosen"
        with Store.open() as store:
            assert store.home == tmp_path / "chosen"

    @pytest.mark.skipif(sys.platform != "linux", reason="the place differs by system")
    def test_else_the_systems_own_place(self, monkeypatch, tmp_path):
        monkeypatch.setenv("RESTROKE_HOME", " ")
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert default_home() == tmp_path / "restroke"

    def test_odd_names_are_only_names(self, tmp_path):
        home = tmp_path / "100% ü?mode=ro#x & 'y'"
        with Store.open(home) as store:
            grow(store)
        with Store.open(home) as store:
            assert len(store.sessions.list(ANN)) == 1
        assert [path.name for path in tmp_path.iterdir()] == [home.name]


class TestOneProcessAtATime:
    @pytest.fixture
    def holder(self, home):
        process = child(HOLD, home)
        process.sid = process.stdout.readline().strip()
        assert process.sid, process.stderr.read()
        yield process
        process.kill()
        process.communicate()

    def test_the_second_is_told_who_has_it_and_changes_nothing(self, home, holder):
        with pytest.raises(HomeInUse, match=rf"already running on .*process {holder.pid}.*RESTROKE_HOME"):
            Store.open(home)
        with closing(migrations.read_only(home / "restroke.db")) as sql:
            assert sql.execute("SELECT state FROM runs").fetchall() == [("running",)]

    def test_a_killed_process_frees_it_and_its_runs_are_lost(self, home, holder):
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with Store.open(home) as store:
            assert store.lost_at_open == 1
            (run,) = store.runs.list(ANN, holder.sid)
            assert (run.state, run.is_over) == ("lost", True)
            assert "stopped while this was running" in run.cause
            assert "Continue from the last one" in run.next_action
            assert len(store.tree.steps(ANN, holder.sid)) == 4
        with Store.open(home) as store:
            assert store.lost_at_open == 0

    def test_closing_frees_it_and_twice_is_fine(self, home):
        store = Store.open(home)
        store.close()
        store.close()
        Store.open(home).close()


class TestTheDisk:
    def test_a_home_that_cannot_be_made_gets_a_sentence(self, tmp_path):
        (tmp_path / "file").write_text("")
        for home in (tmp_path / "file", tmp_path / "file" / "home"):
            with pytest.raises(
                NotWritable, match="can't be written.*Nothing in it was changed.*RESTROKE_HOME"
            ):
                Store.open(home)

    @pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on file sizes")
    def test_a_picture_that_does_not_fit_is_not_kept_in_part(self, home):
        code = """
import resource, sys
from pathlib import Path
from tests.sessions.stories import picture
from sessions import DiskFull, Store
store = Store.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    store.pictures.put(picture(1, (500, 500)))
except DiskFull as error:
    print(error)
print([path.name for path in Path(sys.argv[1], "images").rglob("*") if path.is_file()])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.pictures.put(picture(1, (500, 500)))
"""
        process = child(code, home)
        out, errors = process.communicate(timeout=30)
        sentence, files = out.splitlines()
        assert " is full" in sentence
        assert "saved before is safe" in sentence
        assert files == "[]"
        assert process.returncode == 0, errors
        assert len(list((home / "images").rglob("*.png"))) == 1

    def test_rows_that_do_not_fit_are_not_kept_in_part(self, store):
        story = grow(store)
        with store._db.transaction() as sql:
            connection = sql.connection()
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        tip, made = story.inspect, 0
        with pytest.raises(DiskFull, match="Everything saved before is safe"):
            for _ in range(20):
                tip = store.tree.add_step(ANN, story.session.id, plan(tip.id, "x" * 5000), story.branch.id)
                made += 1
        path = store.tree.trajectory(
            ANN, story.session.id, store.tree.branch(ANN, story.session.id, story.branch.id).tip
        )
        assert len(path) == len(store.tree.steps(ANN, story.session.id)) == 4 + made

    @pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
    def test_a_crash_while_writing_leaves_no_half_picture(self, home):
        code = """
import os, sys, time
from tests.sessions.stories import picture
from sessions import Store
store = Store.open(sys.argv[1])
def stop(fd):
    print("written, not yet named", flush=True)
    time.sleep(60)
os.fsync = stop
store.pictures.put(picture(5))
"""
        process = child(code, home)
        assert process.stdout.readline() == "written, not yet named\n"
        process.kill()
        process.communicate()
        assert [path.suffix for path in (home / "images").rglob("*") if path.is_file()] == [".part"]
        with Store.open(home) as store:
            assert [path for path in (home / "images").rglob("*") if path.is_file()] == []
            digest = store.pictures.put(picture(5))
        (path,) = (home / "images").rglob("*.png")
        assert path.parent.name + path.stem == digest

    def test_a_damaged_picture_is_never_shown_and_heals_when_painted_again(self, store):
        story = grow(store)
        path = store.pictures.path(ANN, story.session.id, story.sketch.image)
        good = path.read_bytes()
        path.write_bytes(good[:-20])
        with pytest.raises(StoreError, match="its file was changed.*steps and their texts are safe"):
            store.pictures.load(ANN, story.session.id, story.sketch.image)
        path.unlink()
        for look in (store.pictures.load, store.pictures.path):
            with pytest.raises(StoreError, match="its file is gone"):
                look(ANN, story.session.id, story.sketch.image)
        path.write_bytes(good[::-1])
        assert store.pictures.put(picture(7)) == story.sketch.image
        assert path.read_bytes() == good
