"""The large view in a browser: which picture is shown there, and what pictures are called when compared."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.studio.pages import Tab


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
    tab.do("sketch", "carry-on", 1)
    tab.ends("The model says that the picture is complete.")
    tab.card("image").locator(".pic").click()
    tab.page.locator('[data-do="compare-with"]').click()
    names = tab.page.locator(".choice span").all_inner_texts()
    assert names[:3] == ["first idea · sketch 1", "first idea · sketch 2", "first idea · refine 1"]
    assert len(set(names)) == len(names)
    tab.page.locator(".choice").nth(1).click()
    expect(tab.page.locator(".tag.left")).to_have_text("first idea · sketch 2")
    expect(tab.page.locator(".tag.right")).to_have_text("on from sketch 2 · picture 1")
