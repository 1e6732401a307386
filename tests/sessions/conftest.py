from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions import Store
from tests.sessions.stories import Story, grow


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a home may be; nothing is there yet."""
    return tmp_path / "home"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated database, made once: most tests are about what comes after."""
    made = tmp_path_factory.mktemp("empty")
    Store.open(made).close()
    return (made / "restroke.db").read_bytes()


@pytest.fixture
def made_home(home: Path, empty_database: bytes) -> Path:
    home.mkdir()
    (home / "restroke.db").write_bytes(empty_database)
    return home


@pytest.fixture(scope="session")
def grown_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Story]:
    """A home with one grown session."""
    made = tmp_path_factory.mktemp("grown")
    with Store.open(made) as store:
        return made, grow(store)


@pytest.fixture
def grown_home(home: Path, grown_once: tuple[Path, Story]) -> Path:
    """A copy of that home. Tests that all begin with it name it ``made_home``."""
    return shutil.copytree(grown_once[0], home)


@pytest.fixture
def store(made_home: Path) -> Iterator[Store]:
    with Store.open(made_home) as opened:
        yield opened
