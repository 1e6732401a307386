"""The page is open while a large model loads, and learns by itself that it is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.studio.pages import DONE, HERE, PATIENCE, Served
from tests.studio.states import png


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path, HERE / "serve_loading.py")
    yield served
    served.end()


def test_three_tabs_wait_with_the_model_and_then_go_on(served: Served, context: BrowserContext) -> None:
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    waiting, begun, busy = (context.new_page() for _ in range(3))
    waiting.goto(served.url)
    expect(waiting.locator("body")).to_contain_text("Loading the model: 40 %")
    begins_a_session_and_changes_its_settings(begun, served.url)
    chooses_a_picture_and_opens_the_settings(busy, served.url)

    (served.home / "go").touch()
    line = "Scripted painter · no model · about 0.1 s a picture of 64x64"
    expect(waiting.locator(".home-top .model span")).to_have_text(line)
    expect(waiting.get_by_role("button", name="Stop loading")).to_be_hidden()
    expect(begun.locator(".status .saying")).to_have_text(DONE)
    begun.locator("[data-do=settings]").click()
    expect(begun.get_by_label("Strokes for each picture")).to_have_value("7")
    finds_everything_as_it_was_and_paints(busy)
    assert not wrong, wrong


def begins_a_session_and_changes_its_settings(page: Page, url: str) -> None:
    page.goto(url)
    page.locator(".first-words").fill("a red house")
    page.get_by_role("button", name="Paint it").click()
    page.locator("[data-do=settings]").click()
    page.get_by_label("Strokes for each picture").fill("7")
    page.get_by_role("button", name="Save settings").click()
    expect(page.locator("dialog")).to_have_count(0)


def chooses_a_picture_and_opens_the_settings(page: Page, url: str) -> None:
    page.goto(url)
    picture = {"name": "mine.png", "mimeType": "image/png", "buffer": png((48, 32))}
    page.locator("[data-picker=start]").set_input_files(picture)
    expect(page.locator(".starting")).to_be_visible()
    page.get_by_role("button", name="Settings").click()
    expect(page.locator("dialog")).to_contain_text("The model is still loading")
    page.get_by_label("How closely it follows the words").fill("3.5")


def finds_everything_as_it_was_and_paints(page: Page) -> None:
    expect(page.locator(".home-top .model span")).to_contain_text("Scripted painter")
    expect(page.get_by_label("How closely it follows the words")).to_have_value("3.5")
    page.get_by_role("button", name="Save settings").click()
    expect(page.locator(".starting")).to_be_visible()
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("group", name="Way of working")).to_be_visible()
    expect(page.get_by_label("How closely it follows the words")).to_have_value("3.5")
    page.keyboard.press("Escape")
    page.locator(".first-words").fill("a red house")
    page.get_by_role("button", name="Paint it").click()
    expect(page.locator('.timeline .card[data-kind="image"]')).to_contain_text("yours, to start from")
    expect(page.locator(".status .saying")).to_have_text(DONE)


def test_a_load_is_stopped_from_the_first_page_and_from_an_open_session(
    served: Served, context: BrowserContext
) -> None:
    first, begun = context.new_page(), context.new_page()
    first.goto(served.url)
    expect(first.get_by_role("button", name="Stop loading")).to_be_visible()
    first.route("**/gradio_api/run/**", lambda route: route.abort())  # one command only ends the studio
    with first.expect_request(lambda request: '"stop_loading"' in (request.post_data or "")):
        first.get_by_role("button", name="Stop loading").click()

    begun.goto(served.url)
    begun.locator(".first-words").fill("a red house")
    begun.get_by_role("button", name="Paint it").click()
    expect(begun.locator(".status .saying")).to_contain_text("Waiting for the model")
    stop = begun.get_by_role("button", name="Stop loading")
    stop.click(trial=True)  # within reach, and not under something else
    begun.set_viewport_size({"width": 390, "height": 844})
    stop.click()
    assert served.process.wait(PATIENCE) == 2, "the studio ends, as after Ctrl-C"
    assert "Loading was stopped" in served.process.stdout.read()
