"""The large view in a browser: which picture is shown there, and what pictures are called when compared."""

from __future__ import annotations

import re

from playwright.sync_api import APIResponse, Route, expect

from tests.studio.pages import DONE, Tab


def test_the_card_of_the_shown_picture_is_marked_from_the_first_moment(tab: Tab):
    tab.painted()
    tab.page.reload()
    shown = tab.page.locator('.card .pic[aria-pressed="true"]')
    expect(shown).to_have_count(1)
    expect(tab.card("refine").locator(".pic")).to_have_attribute("aria-pressed", "true")
    tab.card("sketch").locator(".pic").click()
    expect(tab.card("sketch").locator(".pic")).to_have_attribute("aria-pressed", "true")
    expect(shown).to_have_count(1)


def test_pictures_to_compare_with_are_told_apart_by_branch_and_number(tab: Tab):
    tab.painted()
    tab.do("sketch", "fresh-start", 1)
    expect(tab.card("image")).to_contain_text("started fresh")
    tab.ends(DONE)
    tab.card("image").locator(".pic").click()
    tab.page.locator('[data-do="compare-with"]').click()
    names = tab.page.locator(".choice span").all_inner_texts()
    assert names[:3] == ["first idea · sketch 1", "first idea · sketch 2", "first idea · refine 1"]
    assert len(set(names)) == len(names)
    tab.page.locator(".choice").nth(1).click()
    expect(tab.page.locator(".tag.left")).to_have_text("first idea · sketch 2")
    expect(tab.page.locator(".tag.right")).to_have_text("fresh from sketch 2 · picture 1")


def test_a_reply_that_comes_after_the_news_does_not_set_the_branch_back(tab: Tab):
    tab.painted()

    held: list[tuple[Route, APIResponse]] = []
    commands = re.compile("/gradio_api/(run|call)/")
    tab.page.route(commands, lambda route: held.append((route, route.fetch())))
    tab.do("plan", "edit")
    tab.page.locator('textarea[data-field="instruction"]').fill("Add a blue house.")
    tab.page.get_by_role("button", name="Save and run from here").click()
    expect(tab.page.locator(".tree .dot")).to_have_count(1 + 7 + 7)  # all of the run was told over the log
    for route, answer in held:
        route.fulfill(response=answer)
    expect(tab.card("plan")).to_contain_text("rewritten by you")
    tab.ends(DONE)
    expect(tab.cards).to_have_count(7)
