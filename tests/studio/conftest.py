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
from tests.studio.pages import Served, Tab, Visitor, quiet_tab


@pytest.fixture(scope="session")
def shared_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    studio = Served(tmp_path_factory.mktemp("studio") / "home")
    yield studio
    assert studio.end() == 0, "Ctrl-C must end it cleanly"


@pytest.fixture
def served(shared_studio: Served) -> Served:
    """The studio on the scripted painter, without sessions of earlier tests."""
    visitor = Visitor(shared_studio.url)
    for session in visitor.snapshot["sessions"]:
        visitor.command("delete", session["id"])
    return shared_studio


@pytest.fixture(scope="session")
def shared_context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.new_page()  # stays open, to clear the storage from
    yield context
    context.close()


@pytest.fixture
def context(shared_context: BrowserContext) -> Iterator[BrowserContext]:
    """A browser that has the studio's files in its HTTP cache, as on a second visit, and nothing else."""
    yield shared_context
    blank, *opened = shared_context.pages
    for page in opened:
        page.close()
    shared_context.clear_cookies()
    storage = shared_context.new_cdp_session(blank)
    storage.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
    storage.detach()


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
