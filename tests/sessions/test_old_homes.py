"""A home and a PNG made by the version of November 2026 open as they were.

``about.json`` beside them says what that version saw in them. The folder is never made anew: what an older
version wrote has to stay readable.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.core.settings import Settings
from engine.core.trajectory import Step
from sessions import Store
from sessions.bundle import read_png
from sessions.doctor import examine
from tests.sessions.stories import ROOT

FIXTURE = ROOT / "tests" / "fixtures" / "home-2026-11"
ABOUT: dict[str, Any] = json.loads((FIXTURE / "about.json").read_text(encoding="utf-8"))
OWNER = ABOUT["owner"]
NAMES = [session["title"] for session in ABOUT["sessions"]]


def copied(home: Path) -> Path:
    return shutil.copytree(FIXTURE, home, ignore=shutil.ignore_patterns("about.json", "recipe.png"))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The old home, what was in its bin taken out."""
    with Store.open(copied(tmp_path_factory.mktemp("old") / "home")) as store:
        for session in ABOUT["sessions"]:
            if session["deleted"]:
                store.sessions.restore(OWNER, session["id"])
        yield store


def without_id(step: Step) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "author": step.author,
        "parent": step.parent,
        "image": step.image,
        "fields": dict(step.fields),
    }


def test_the_list_and_the_bin(home: Path):
    with Store.open(copied(home)) as store:
        listed = [
            {"title": found.title, "branch_count": found.branch_count, "thumbnail": found.thumbnail}
            for found in store.sessions.list(OWNER)
        ]
        binned = [found.id for found in store.sessions.list(OWNER, deleted=True)]
        assert store.lost_at_open == 0
    assert listed == ABOUT["listed"]
    assert binned == [session["id"] for session in ABOUT["sessions"] if session["deleted"]] != []


@pytest.mark.parametrize("about", ABOUT["sessions"], ids=NAMES)
class TestASession:
    def test_has_its_steps_and_branches(self, old: Store, about: dict[str, Any]):
        sid = about["id"]
        session, steps = old.sessions.get(OWNER, sid), old.tree.steps(OWNER, sid)
        assert (session.title, session.seed) == (about["title"], about["seed"])
        assert sorted(steps) == about["step_ids"]
        assert {name: without_id(step) for name, step in steps.items()} == about["steps"]
        branches = [
            {
                "name": branch.name,
                "tip": branch.tip,
                "forked_at": branch.forked_at,
                "trajectory": [step.id for step in old.tree.trajectory(OWNER, sid, branch.tip)],
            }
            for branch in old.tree.branches(OWNER, sid)
        ]
        assert branches == about["branches"]

    def test_has_its_pictures(self, old: Store, about: dict[str, Any]):
        steps = old.tree.steps(OWNER, about["id"]).values()
        assert sorted({step.image for step in steps if step.image}) == sorted(about["pictures"])
        for digest in about["pictures"]:
            assert old.pictures.load(OWNER, about["id"], digest).mode == "RGB"

    def test_has_its_runs_and_notes(self, old: Store, about: dict[str, Any]):
        runs = [
            {"state": run.state, "cause": run.cause, "raw": run.raw, "protocol": run.settings["protocol"]}
            for run in old.runs.list(OWNER, about["id"])
        ]
        notes = [
            {"step": note.step_id, "question": note.question, "answer": note.answer, "state": note.state}
            for note in old.notes.list(OWNER, about["id"])
        ]
        assert sorted(runs, key=str) == sorted(about["runs"], key=str)
        assert notes == about["notes"]

    def test_has_settings_that_are_still_understood(self, old: Store, about: dict[str, Any]):
        kept = old.sessions.get(OWNER, about["id"]).settings
        assert kept["protocol"]
        settings = {name: value for name, value in kept.items() if name != "seed"}  # kept beside them
        understood = Settings.from_dict(settings).as_dict()
        assert {name: understood[name] for name in settings} == settings


def test_the_doctor_finds_no_fault(old: Store):
    checks = {check.name: check for check in examine(old.home)}
    assert [fault for check in checks.values() for fault in check.faults] == []
    assert checks["step hashes"].checked == sum(session["step_count"] for session in ABOUT["sessions"])
    assert checks["pictures"].checked == ABOUT["picture_count"]


def test_a_png_with_its_recipe_becomes_the_same_steps(store: Store):
    recipe = ABOUT["recipe"]
    data = (FIXTURE / recipe["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == recipe["sha256"], "the fixture itself was changed"
    session = store.pictures.import_png(OWNER, data)
    assert (session.title, session.seed) == (recipe["title"], recipe["seed"])
    steps = store.tree.steps(OWNER, session.id)
    assert list(steps) == recipe["step_ids"]
    assert sorted({step.image for step in steps.values() if step.image}) == sorted(recipe["pictures"])
    for digest in recipe["pictures"]:
        store.pictures.load(OWNER, session.id, digest)


def test_an_export_carries_what_it_carried_then(old: Store):
    recipe = ABOUT["recipe"]
    again = old.pictures.export_png(OWNER, recipe["session"], recipe["step_ids"][-1])
    assert read_png(again) == read_png((FIXTURE / recipe["file"]).read_bytes())
