"""The page is open while a large model loads, and learns by itself that it is there."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.studio.pages import HERE, Served, Tab


def test_the_page_waits_with_the_model_and_then_offers_it(tmp_path: Path, context: BrowserContext) -> None:
    served = Served(tmp_path, HERE / "serve_loading.py")
    try:
        tab = Tab(context.new_page(), served.url)
        tab.page.goto(served.url)
        expect(tab.page.locator("body")).to_contain_text("The model is being opened")
        (tmp_path / "go").touch()
        expect(tab.page.locator("body")).to_contain_text("speed not measured yet", timeout=20_000)
    finally:
        served.end()
