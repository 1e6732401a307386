"""More of the loop: questions, fresh starts, what the model sees, sizes, a picture to start from."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.studio.pages import DONE, PATIENCE, Served, Tab, quiet_tab
from tests.studio.states import png


@pytest.fixture
def phone(served: Served, browser: Browser) -> Iterator[Tab]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield from quiet_tab(served, context)
    context.close()


def start_from(tab: Tab, words: str, data: bytes) -> None:
    """From the first page: a picture of one's own, then words; without waiting until it has arrived."""
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": data}
    tab.page.locator("[data-picker=start]").set_input_files(file)
    tab.page.locator(".first-words").fill(words)
    tab.page.get_by_role("button", name="Paint it").click()


def test_a_question_is_answered_under_its_picture_and_survives_a_reload(tab: Tab):
    tab.painted()
    tab.do("sketch", "ask")  # an empty question isn't sent, and Escape puts it away
    tab.page.locator(".asking button[type=submit]").click()
    expect(tab.page.locator(".asking .problem")).to_contain_text("Write what you want to know")
    tab.page.keyboard.press("Escape")
    expect(tab.page.locator(".asking")).to_have_count(0)
    expect(tab.card("sketch")).to_be_focused()
    tab.do("sketch", "ask")
    field = tab.page.get_by_label("Your question about this picture")
    expect(field).to_be_focused()
    field.fill("Is this a <b>house</b>?")
    tab.page.reload()
    expect(field).to_have_value("Is this a <b>house</b>?")
    field.press("Enter")
    answer = tab.card("sketch").locator(".question-row")
    expect(answer).to_have_attribute("data-state", "done")
    expect(answer.locator(".question")).to_have_text("Is this a <b>house</b>?")
    expect(answer.locator(".text")).to_contain_text("you asked: Is this a")
    kinds = tab.kinds()
    tab.page.reload()
    expect(answer).to_have_attribute("data-state", "done")
    assert tab.kinds() == kinds and len(tab.branches()) == 1, "a question changes no step"
    answer.get_by_role("button", name="Remove this question").click()
    expect(answer).to_have_count(0)
    expect(tab.card("sketch").locator(".questions")).to_be_hidden()


def test_a_fresh_start_from_a_picture_is_a_branch_and_both_ways_are_shown(tab: Tab):
    tab.painted()
    chip = tab.page.locator("[data-do=history]")
    expect(chip).to_have_text("3 of 20")
    whole = "The model sees 3 pictures, of at most 20"
    expect(chip).to_have_attribute("aria-label", whole)
    expect(chip).to_have_attribute("title", whole)
    tab.do("sketch", "fresh-start", 1)
    expect(tab.card("inspect")).to_be_visible()
    expect(tab.card("image")).to_contain_text("started fresh")
    tab.ends(DONE)
    assert tab.branches() == ["first idea", "fresh from sketch 2"]
    assert tab.kinds()[:2] == ["image", "plan"]
    expect(tab.card("image").locator('[data-do="fresh-start"]')).to_have_count(0)
    tab.page.get_by_role("button", name="Go back there").click()
    expect(tab.card("sketch", 1)).to_be_focused()
    expect(tab.page.locator(".note")).to_contain_text(
        "Started fresh from this picture: branch “fresh from sketch 2”."
    )


def test_rejected_sketches_can_be_left_out_of_what_the_model_sees(tab: Tab):
    tab.painted()
    expect(tab.page.locator("[data-do=history]")).to_contain_text("3 of 20")
    tab.page.locator("[data-do=history]").click()
    tab.page.get_by_label("Show it rejected sketches too").uncheck()
    tab.page.get_by_role("button", name="Save").click()
    kept, end = True, time.monotonic() + PATIENCE
    while kept and time.monotonic() < end:  # until the news has reached the tab
        tab.page.locator("[data-do=history]").click()
        kept = tab.page.get_by_label("Show it rejected sketches too").is_checked()
        tab.page.keyboard.press("Escape")
        expect(tab.page.locator("dialog")).to_have_count(0)
    assert not kept


def test_a_size_is_chosen_for_the_first_picture(tab: Tab):
    tab.home()
    tab.page.get_by_role("button", name="Settings").click()
    sizes = tab.page.locator(".sizes")
    expect(sizes.locator(".tile")).to_have_text(
        ["128 × 128", "1024 × 1024", "1024 × 768", "768 × 1024", "1024 × 576", "576 × 1024", "?Custom …"]
    )
    expect(sizes.get_by_label("Width in pixels")).to_be_hidden()
    sizes.get_by_text("Custom …").click()
    sizes.get_by_label("Width in pixels").fill("192")
    sizes.get_by_label("Height in pixels").fill("96")
    tab.save_settings()
    tab.paint("a red house").ends(DONE)
    shown = tab.card("sketch").locator(".pic img")
    expect(shown).to_have_js_property("naturalWidth", 192)
    expect(shown).to_have_js_property("naturalHeight", 96)


def test_a_picture_of_ones_own_is_gone_on_from_and_can_be_taken_back(tab: Tab):
    tab.home()
    start_from(tab, "a red house", png((300, 200)))
    tab.ends(DONE)
    assert tab.kinds()[:2] == ["image", "plan"]
    expect(tab.card("image")).to_contain_text("yours, to start from")
    expect(tab.card("image").locator('[data-do="again"]')).to_have_count(0)
    tab.page.locator('.card.prompt [data-do="edit"]').click()
    tab.page.locator('textarea[data-field="text"]').fill("a blue boat")
    tab.page.get_by_role("button", name="Save and run from here").click()
    expect(tab.page.locator(".room h1")).to_have_text("a blue boat")
    expect(tab.card("inspect")).to_be_visible()
    tab.ends(DONE)
    assert tab.kinds()[0] == "image", "new words keep the picture"
    tab.home()
    expect(tab.page.locator(".starting")).to_be_hidden()


@contextmanager
def slow_upload(tab: Tab) -> Iterator[None]:
    """Inside, a picture to start from is on its way; afterwards it arrives, however slow this machine is."""
    held: list[Route] = []
    tab.page.route("**/studio/home/start*", lambda route: held.append(route))
    yield
    while not held:
        tab.page.wait_for_timeout(10)
    held.pop().continue_()


def test_a_person_quicker_than_the_upload_still_starts_from_the_picture(tab: Tab):
    tab.home()
    with slow_upload(tab):
        start_from(tab, "a red house", png((300, 200)))
        expect(tab.page.locator(".begin .main")).to_be_disabled()
    tab.ends(DONE)
    assert tab.kinds()[0] == "image"


def test_a_second_enter_while_the_picture_is_on_its_way_begins_no_second_session(tab: Tab):
    tab.home()
    with slow_upload(tab):
        start_from(tab, "a green owl", png((300, 200)))
        tab.page.locator(".first-words").fill("a green owl by the sea")
        tab.page.locator(".first-words").press("Enter")
    tab.ends(DONE)
    expect(tab.page.locator(".side .sess", has_text="a green owl")).to_have_text(re.compile("by the sea"))


def test_a_person_quicker_than_a_refusal_begins_nothing(tab: Tab):
    tab.home()
    with slow_upload(tab):
        start_from(tab, "a red house", b"no picture")
        expect(tab.page.locator(".begin .main")).to_be_disabled()
    expect(tab.page.locator(".begin .problem")).not_to_be_empty()
    expect(tab.page.get_by_role("button", name="Paint it")).to_be_enabled()
    expect(tab.page.locator(".first-words")).to_have_value("a red house")
    assert "400" in tab.wrong.pop()


def test_the_bar_above_the_timeline_is_one_row(tab: Tab):
    tab.painted()
    for width in (1440, 1500):
        tab.page.set_viewport_size({"width": width, "height": 900})
        one_row(tab)
    expect(tab.page.get_by_label("Pause each step")).to_be_attached()
    expect(tab.page.get_by_role("button", name="Settings", exact=True)).to_be_visible()


def one_row(tab: Tab) -> None:
    bar = tab.page.locator(".bar")
    boxes = [bar.locator(part).bounding_box() for part in (".seg", "[data-do=settings]", "[data-do=history]")]
    middles = [box["y"] + box["height"] / 2 for box in boxes]
    assert max(middles) - min(middles) < 4, boxes
    assert boxes[0]["height"] < 50, "the switch doesn't wrap either"
    right = bar.bounding_box()["x"] + bar.bounding_box()["width"]
    assert all(box["x"] + box["width"] <= right + 1 for box in boxes)
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] + 1 <= boxes[2]["x"] + 2


def test_all_of_it_fits_a_phone(phone: Tab):
    phone.home()
    start_from(phone, "a red house left of a green tree", png((300, 200)))
    phone.ends(DONE)
    phone.do("sketch", "ask")
    phone.page.get_by_label("Your question about this picture").fill("How many trees are there in it?")
    phone.page.locator(".asking button[type=submit]").click()
    expect(phone.page.locator(".question-row")).to_have_attribute("data-state", "done")
    phone.do("sketch", "fresh-start")
    expect(phone.card("image")).to_contain_text("started fresh")
    phone.ends(DONE)
    phone.page.locator("[data-do=history]").click()
    expect(phone.page.get_by_label("Show it rejected sketches too")).to_be_visible()
    phone.page.keyboard.press("Escape")
    phone.page.locator("[data-do=settings]").click()
    expect(phone.page.locator(".tile").last).to_be_attached()
    for box in (".room", "dialog .dialog-box", ".sizes .tiles"):
        wide = phone.page.locator(box).evaluate("node => node.scrollWidth - node.clientWidth")
        assert wide <= 1, f"{box} is {wide} pixels too wide"


def test_the_browsers_back_and_forward_lead_between_branches(tab: Tab):
    tab.paint("a red house").ends(DONE)
    first = tab.page.locator(".bar select").input_value()
    tab.do("plan", "edit")
    tab.page.locator('textarea[data-field="instruction"]').fill("draw a blue boat")
    tab.page.get_by_role("button", name="Save only").click()
    expect(tab.page.locator(".bar select option")).to_have_count(2)
    expect(tab.page.locator(".bar select")).not_to_have_value(first)
    second = tab.page.locator(".bar select").input_value()
    tab.page.go_back()
    expect(tab.page.locator(".bar select")).to_have_value(first)
    expect(tab.card("plan")).not_to_contain_text("draw a blue boat")
    tab.page.go_forward()
    expect(tab.page.locator(".bar select")).to_have_value(second)
    expect(tab.card("plan")).to_contain_text("draw a blue boat")
    tab.page.go_back()
    tab.page.go_back()
    expect(tab.page.locator(".home h1")).to_be_visible()
