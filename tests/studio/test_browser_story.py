"""The main story in a browser: words become cards, a rewritten card becomes a branch, nothing is lost."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.studio.pages import DONE, Served, Tab

ROUNDS = ["plan", "sketch", "inspect", "plan", "sketch", "inspect", "refine"]


def test_a_rewritten_plan_becomes_a_branch_and_the_old_one_stays(tab):
    tab.paint("a red house left of a green tree at night").ends(DONE)
    assert tab.kinds() == ROUNDS
    expect(tab.card("plan")).to_contain_text("Add a red house.")
    tab.do("plan", "edit")
    tab.page.locator('textarea[data-field="instruction"]').fill("Add a blue house.")
    description = tab.page.locator('textarea[data-field="description"]')
    expect(description).to_have_value(re.compile("blue house"))
    tab.page.get_by_role("button", name="Save and run from here").click()
    expect(tab.card("plan")).to_contain_text("rewritten by you · was “red house”")
    expect(tab.card("plan").locator("mark").first).to_have_text("blue")
    tab.ends(DONE)
    assert tab.kinds() == ROUNDS
    assert tab.branches() == ["first idea", "blue house"]
    note = tab.page.locator(".note").first
    expect(note).to_contain_text("The red house is not lost: 7 steps continue in branch “first idea”.")
    note.get_by_role("button", name="Open it").click()
    expect(tab.card("plan")).to_contain_text("Add a red house.")
    assert tab.page.locator(".bar select").evaluate("s => s.selectedOptions[0].text") == "first idea"


def test_words_of_ones_own_in_the_description_are_left_alone(tab):
    tab.painted()
    tab.do("plan", "edit")
    description = tab.page.locator('textarea[data-field="description"]')
    description.fill("A red house, and mine.")
    tab.page.locator('textarea[data-field="instruction"]').fill("Add a blue house.")
    expect(description).to_have_value("A red house, and mine.")


def test_save_only_waits_until_it_is_run(tab):
    tab.painted()
    tab.do("inspect", "refine")
    tab.page.locator('textarea[data-field="correction"]').fill("The house is too pale.")
    tab.page.get_by_role("button", name="Save only").click()
    tab.ends("Saved. Nothing has run from here yet.")
    assert tab.kinds() == ["plan", "sketch", "inspect"]
    expect(tab.card("inspect").locator(".verdict")).to_have_text("Needs a fix")
    tab.page.locator('.status [data-do="go"]').click()
    expect(tab.card("refine")).to_be_visible()


def test_accept_anyway_skips_the_refine(tab):
    tab.painted()
    tab.do("inspect", "accept", 1)
    expect(tab.page.locator(".note")).to_contain_text("is not lost: 2 steps continue")
    tab.ends(DONE)
    assert tab.kinds() == ROUNDS[:-1]
    assert "accepted as it is" in tab.branches()


def test_accept_anyway_takes_an_inspection_of_nothing_but_a_correction(tab):
    tab.painted()
    tab.do("inspect", "refine")
    tab.page.locator('textarea[data-field="verdict"]').fill("")
    tab.page.locator('textarea[data-field="correction"]').fill("The house is too pale.")
    tab.page.get_by_role("button", name="Save only").click()
    tab.ends("Saved. Nothing has run from here yet.")
    tab.do("inspect", "accept")
    expect(tab.card("inspect")).to_contain_text("Accepted as it is.")
    tab.ends(DONE)


def test_a_card_of_ones_own_that_was_only_saved_is_what_the_line_below_tells_of(tab):
    tab.painted()
    tab.page.get_by_role("button", name="Add your own plan").click()
    tab.page.locator('textarea[data-field="instruction"]').fill("Add a green tree.")
    tab.page.get_by_role("button", name="Save only").click()
    tab.ends("Saved. Nothing has run from here yet.")
    tab.page.reload()
    tab.ends("Saved. Nothing has run from here yet.")
    tab.page.locator('.status [data-do="go"]').click()
    expect(tab.cards).to_have_count(len(ROUNDS) + 3)
    tab.ends(DONE)


def test_a_plan_of_ones_own_goes_on_at_the_end(tab):
    tab.painted("a red house")
    tab.page.get_by_role("button", name="Add your own plan").click()
    tab.page.locator('textarea[data-field="instruction"]').fill("Add a green tree.")
    tab.page.reload()
    expect(tab.page.locator('textarea[data-field="instruction"]')).to_have_value("Add a green tree.")
    tab.page.get_by_role("button", name="Save and run from here").click()
    expect(tab.cards).to_have_count(len(ROUNDS) + 3)
    tab.ends(DONE)
    assert tab.branches() == ["first idea"]
    expect(tab.page.get_by_role("heading", name="Round 3")).to_be_visible()


def test_a_finished_picture_gets_one_more_round_when_it_is_asked_for(tab):
    tab.painted()
    go = tab.page.locator('.status [data-do="go"]')
    expect(go).to_have_text("One more round")
    expect(tab.card("refine").locator('[data-do="run"]')).to_have_text("One more round")
    go.click()
    expect(tab.card("plan", 2)).to_contain_text("as you asked")
    tab.ends(DONE)
    assert tab.kinds() == [*ROUNDS, "plan", "sketch", "inspect"] and tab.branches() == ["first idea"]


def test_another_seed_is_a_branch_with_a_new_seed(tab):
    tab.painted()
    old = tab.card("sketch").locator(".seed").inner_text()
    tab.do("sketch", "again")
    expect(tab.card("sketch")).to_contain_text("attempt 2")
    tab.ends(DONE)
    assert tab.card("sketch").locator(".seed").inner_text() != old
    assert tab.branches() == ["first idea", "another sketch"]


def test_a_reload_and_a_second_tab_see_the_same(tab, context: BrowserContext):
    tab.paint("slowly a red house left of a green tree")
    expect(tab.page.locator(".card.live .pic img[src]")).to_be_visible()
    second = context.new_page()
    second.goto(tab.page.url)
    expect(second.locator(".card.live .prog")).to_be_visible()
    tab.page.reload()
    expect(tab.page.locator(".card.live")).to_be_visible()
    second.locator('.card.live [data-do="stop"]').click()
    tab.ends("Stopped. All finished steps are kept.")
    expect(second.locator(".status .saying")).to_have_text("Stopped. All finished steps are kept.")
    assert tab.kinds() == ["plan"]


def test_pause_each_step_and_continue(tab):
    tab.painted()
    tab.page.get_by_label("Pause each step").check()
    tab.do("plan", "run")
    tab.ends(re.compile("then continue"))
    expect(tab.cards).to_have_count(2)
    for made in (3, 4):
        go = tab.page.locator('.status [data-do="go"]')
        expect(go).to_have_text("Continue")
        go.click()
        expect(tab.cards).to_have_count(made)


def test_what_tabs_show_when_the_studio_ends_and_starts_again(context: BrowserContext, tmp_path: Path):
    studio = Served(tmp_path / "home")
    page, other = context.new_page(), context.new_page()
    Tab(other, studio.url).painted("a blue boat")
    tab = Tab(page, studio.url).paint("slowly a red house")
    page.locator(".side").get_by_role("button", name="Rename, duplicate or delete a blue boat").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    sure = page.locator("dialog", has_text="Delete this session?")
    sure.get_by_role("button", name="Delete").click()
    expect(page.locator(".side .sess")).to_have_count(1)
    expect(page.locator(".card.live .pic img[src]")).to_be_visible()

    studio.end(signal.SIGKILL)
    expect(page.locator(".banner")).to_be_visible()
    page.locator(".card.plan [data-do=edit]").click()
    page.locator('textarea[data-field="instruction"]').fill("Half a thou")
    studio.start()
    expect(other.locator(".home h1")).to_be_visible()
    expect(other.locator(".banner")).to_be_hidden()
    expect(page.locator(".banner")).to_be_hidden()
    expect(page.locator(".card.lost")).to_be_visible()
    expect(page.locator('textarea[data-field="instruction"]')).to_have_value("Half a thou")
    page.reload()
    expect(page.locator('textarea[data-field="instruction"]')).to_have_value("Half a thou")
    page.get_by_role("button", name="Discard").click()
    page.locator(".card.lost").get_by_role("button", name="Resume").click()
    expect(page.locator(".card.live .prog")).to_be_visible()
    page.locator('.card.live [data-do="stop"]').click()
    tab.ends("Stopped. All finished steps are kept.")

    studio.end()
    (tmp_path / "home" / "studio.key").unlink()
    studio.start()
    for one in (page, other):
        expect(one.locator(".banner")).to_contain_text("has restarted since")
        one.get_by_role("button", name="Reload").click()
        expect(one.locator(".banner")).to_be_hidden()
    expect(tab.page.locator(".room")).to_be_visible()
    expect(other.locator(".home h1")).to_be_visible()
    assert studio.end() == 0
