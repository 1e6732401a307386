"""The main story on the real default model, worker and database, in a real browser.

A newcomer types a prompt, the process is killed in the middle of a sketch and started again, the run goes on
with one click, the plan is rewritten into a branch, and everything is still there in a new browser.
"""

from __future__ import annotations

import io
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from engine.lab.storybook.judging.judge import judge
from tests.studio.pages import DONE, Served, Tab

ROOT = Path(__file__).parents[1]
PATIENCE = 120_000
"""Milliseconds a whole trajectory may take on a slow machine."""


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Served]:
    """``app.py`` on the default checkpoint."""
    made = Served(tmp_path / "home", ROOT / "app.py")
    yield made
    assert made.end() == 0


def test_the_whole_story(studio: Served, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    tab = Tab(context.new_page(), studio.url)
    tab.paint("a red house left of a green tree at night")
    expect(tab.card("plan")).to_contain_text(re.compile("house|tree"), timeout=PATIENCE)

    expect(tab.page.locator(".card.live .pic img[src]").first).to_be_visible(timeout=PATIENCE)
    studio.process.send_signal(signal.SIGKILL)
    studio.process.wait()
    studio.start()
    tab.page.reload()
    expect(tab.page.locator(".room")).to_be_visible(timeout=PATIENCE)
    tab.page.get_by_role("button", name="Resume").first.click()
    ended = re.compile(f"{DONE}|limit", re.IGNORECASE)
    expect(tab.status).to_have_text(ended, timeout=PATIENCE)
    before = tab.kinds()
    assert before[:3] == ["plan", "sketch", "inspect"]

    tab.do("plan", "edit")
    instruction = tab.page.locator('textarea[data-field="instruction"]')
    instruction.fill("Paint a dark night with a blue house left of a green tree.")
    tab.page.locator('textarea[data-field="description"]').fill(
        "At night, a blue house left of a green tree."
    )
    tab.page.get_by_role("button", name="Save and run from here").click()
    expect(tab.card("plan")).to_contain_text("rewritten by you", timeout=PATIENCE)
    expect(tab.card("inspect").first).to_be_visible(timeout=PATIENCE)
    expect(tab.status).to_have_text(ended, timeout=PATIENCE)
    assert len(tab.branches()) == 2
    address = tab.page.url
    after = tab.kinds()
    context.close()

    fresh = Tab(browser.new_context(viewport={"width": 1440, "height": 900}).new_page(), studio.url)
    fresh.page.goto(address)
    expect(fresh.card("plan")).to_contain_text("blue house", timeout=PATIENCE)
    assert fresh.kinds() == after
    assert len(fresh.branches()) == 2
    # The judge need not make out a house yet (the model card says how often it can), but blue must be there.
    colours = {thing.colour for thing in judge(large_picture(fresh)).things}
    assert "blue" in colours and "red" not in colours
    fresh.page.locator(".bar select").select_option(label="first idea")
    expect(fresh.card("plan")).not_to_contain_text("rewritten by you")
    assert fresh.kinds() == before


def large_picture(tab: Tab) -> Image.Image:
    """The picture in the large view, as the studio serves it."""
    shown = tab.page.locator(".large-view img.whole")
    expect(shown).to_have_attribute("src", re.compile("."), timeout=PATIENCE)
    answer = tab.page.request.get(urljoin(tab.page.url, shown.get_attribute("src") or ""))
    assert answer.ok
    return Image.open(io.BytesIO(answer.body())).convert("RGB")
