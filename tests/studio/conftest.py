"""The studio in this process without a browser, and as a process of its own with one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sessions import Store
from studio.routes import routes
from studio.state import StudioState
from tests.scripted import scripted_model
from tests.studio.pages import Served, Tab, quiet_tab


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for a file: a list of all tests' sessions would slow down every page."""
    studio = Served(tmp_path_factory.mktemp("studio") / "home")
    yield studio
    assert studio.end() == 0, "Ctrl-C must end it cleanly"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 900})
    yield made
    made.close()


@pytest.fixture
def tab(served: Served, context: BrowserContext) -> Iterator[Tab]:
    yield from quiet_tab(served, context)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StudioState]:
    with Store.open(tmp_path) as store:
        made = StudioState.open(
            store, lambda: scripted_model(rounds=1, fault_rounds=(1,)), loopback_only=False
        )
        yield made
        made.worker.close()


@pytest.fixture
def client(state: StudioState) -> TestClient:
    return TestClient(Starlette(routes=routes(state)))
