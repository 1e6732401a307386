"""The page is open while a large model loads, and learns by itself that it is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.studio.pages import HERE, Served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path, HERE / "serve_loading.py")
    yield served
    served.end()


def test_the_page_waits_with_the_model_and_then_offers_it(served: Served, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(served.url)
    expect(page.locator("body")).to_contain_text("The model is being loaded: 40 %")
    (served.home / "go").touch()
    line = "Scripted painter · no model · about 0.1 s a picture of 64x64"
    expect(page.locator(".home-top .model span")).to_have_text(line, timeout=20_000)
    expect(page.get_by_role("button", name="Stop loading")).to_be_hidden()


@pytest.mark.parametrize("width", [1440, 390])
def test_a_load_is_stopped_from_an_open_session(served: Served, context: BrowserContext, width: int) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(served.url)
    page.locator(".first-words").fill("a red house")
    page.get_by_role("button", name="Paint it").click()
    expect(page.locator(".status .saying")).to_contain_text("Waiting for the model")
    page.get_by_role("button", name="Stop loading").click()
    assert served.process.wait(10) == 2


def test_a_load_is_stopped_from_the_page(served: Served, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(served.url)
    page.get_by_role("button", name="Stop loading").click()
    assert served.process.wait(10) == 2, "the studio ends, as after Ctrl-C"
    assert "Loading was stopped" in served.process.stdout.read()
