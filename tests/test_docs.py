"""The documentation can't drift: files, links and commands that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "log.md"),
]
FOLDERS = ("app.py", "assets/", "benchmarks/", "docs/", "engine/", "sessions/", "studio/", "tests/")
ids = {"ids": lambda path: path.name}


@pytest.mark.parametrize("page", PAGES, **ids)
def test_files_named_on_a_page_are_there(page: Path) -> None:
    named = re.findall(r"`([\w./-]+)`", page.read_text(encoding="utf-8"))
    paths = [name for name in named if name.startswith(FOLDERS)]
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, **ids)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, **ids)
def test_commands_named_on_a_page_exist(page: Path) -> None:
    named = re.findall(r"(?:^|`)restroke +([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert not set(named) - set(COMMANDS)


def test_every_file_under_a_heading_of_the_house_is_drawn() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    house = text.split("```")[1]
    rooms = {path.name for path in (ROOT / "engine").iterdir() if (path / "__init__.py").exists()}
    rooms |= {path.name for path in (ROOT / "engine/lab").iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if f"{room}/" not in house} == set()


LINES = (ROOT / "docs/parts.md").read_text(encoding="utf-8").splitlines()
PARTS = [line for line in LINES if line.startswith("| ") and not line.startswith("| part |")]


def test_every_part_says_whose_it_is_and_where() -> None:
    for line in PARTS:
        part, of, here, *_ = (cell.strip() for cell in line.strip("|").split(" |"))
        assert set(of) & set("SR") and set(of) <= set("SR ()"), part
        assert re.search(r"`[\w./-]+/[\w.-]+`", here), part


def test_what_is_named_in_a_file_is_in_it() -> None:
    for path, name in re.findall(r"`([\w./-]+\.py)` \(`(\w+)`\)", "\n".join(PARTS)):
        assert name in (ROOT / path).read_text(encoding="utf-8"), f"{path} has no {name}"
