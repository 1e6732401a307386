"""What all tests share: a slow machine is no reason to fail, and one browser serves every page.

``--pure`` leaves only tests that are over quickly.
"""

from __future__ import annotations

import multiprocessing.process
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SLOW_TO_IMPORT = {"torch", "transformers", "gradio"}

settings.register_profile("patient", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pure",
        action="store_true",
        help="skip tests that import torch or Gradio, open a browser or start a process; fewer examples",
    )


def pytest_configure(config: pytest.Config) -> None:
    pure = config.getoption("--pure")
    settings.load_profile("quick" if pure else "patient")
    if pure:
        sys.meta_path.insert(0, _SlowImports())


class _SlowImports:
    """Skips whatever imports a slow library: a test, or all of a file that does it at its top."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name in SLOW_TO_IMPORT:
            pytest.skip(f"imports {name}", allow_module_level=True)


@pytest.fixture(scope="session", autouse=True)
def no_process_when_pure(request: pytest.FixtureRequest) -> Iterator[None]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        pytest.skip("starts a process")

    with pytest.MonkeyPatch.context() as patch:
        if request.config.getoption("--pure"):
            patch.setattr(subprocess, "Popen", refuse)
            patch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
        yield


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    if request.config.getoption("--pure"):
        pytest.skip("opens a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield found
        found.close()
