"""Ways of working in a browser: the picker, the cards of thinking and reflecting, and polishing a picture."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.studio.pages import DONE

AGAIN = "The picture was looked at and drawn again once."


def test_think_and_reflect_is_picked_and_its_cards_are_read_and_rewritten(tab):
    tab.home()
    words = tab.page.locator(".first-words")
    words.fill("a red zeppelin")
    expect(tab.page.locator(".begin .hint")).to_contain_text("doesn't know “zeppelin”")
    tab.page.get_by_role("button", name="Settings").click()
    ways = tab.page.locator(".option:has(input[name=protocol])")
    expect(ways).to_contain_text(["In rounds", "In one go", "Think first", "Think and reflect"])
    ways.nth(3).locator("input").check()
    tab.save_settings()
    tab.paint("a red house")
    tab.ends(AGAIN)
    assert tab.kinds() == ["think", "image", "reflect", "image"]
    reflect = tab.card("reflect")
    expect(reflect.locator(".text small")).to_have_text(
        ["What to improve", "Step by step", "The whole picture then"]
    )
    tab.do("reflect", "edit")
    tab.page.locator('textarea[data-field="text"]').fill("Too red.\n### What to improve\nA blue house.")
    tab.page.get_by_role("button", name="Save and run from here").click()
    expect(reflect).to_contain_text("rewritten by you")
    expect(reflect.locator(".text small")).to_have_text("What to improve")
    tab.ends(AGAIN)
    assert tab.kinds() == ["think", "image", "reflect", "image"] and len(tab.branches()) == 2


def test_a_finished_picture_is_polished_on_a_branch_of_its_own(tab):
    tab.painted()
    polish = tab.page.locator('.card [data-do="polish"]')
    expect(polish).to_have_count(1)
    expect(tab.card("refine").locator('[data-do="polish"]')).to_be_visible()
    polish.click()
    tab.ends(AGAIN)
    assert tab.kinds()[-3:] == ["refine", "reflect", "image"]
    assert tab.branches() == ["first idea", "polished"]
    expect(tab.card("refine").locator('[data-do="polish"]')).to_have_count(0)


def test_a_draft_is_asked_for_in_the_settings_and_its_card_says_so(tab):
    tab.home()
    tab.page.get_by_role("button", name="Settings").click()
    tab.page.locator("input[name=quality][value=draft]").check()
    tab.save_settings()
    tab.paint("a red house")
    tab.ends(DONE)
    expect(tab.card("sketch").locator(".who").first).to_have_text("draft")
    expect(tab.card("plan").locator(".who").first).to_have_text("")
    for kind, share, saved in (("sketch", 50, "1.2"), ("inspect", 66, "0.3")):
        line = f"{share} % reused from cache, about {saved} s saved."
        expect(tab.card(kind).locator(".info")).to_have_text(line)
    expect(tab.card("plan").locator(".info")).to_have_count(0)


def test_nothing_is_offered_where_a_way_of_working_has_nothing_to_add(tab):
    tab.home()
    tab.page.get_by_role("button", name="Settings").click()
    tab.page.locator("input[name=protocol][value=direct]").check()
    tab.save_settings()
    tab.paint("a red house")
    tab.ends("The picture is drawn.")
    go, card = tab.page.locator('.status [data-do="go"]'), tab.card("image").locator('[data-do="run"]')
    expect(go).to_be_hidden()
    expect(card).to_have_count(0)
    tab.page.locator('[data-do="settings"]').click()
    tab.page.locator("input[name=protocol][value=irg]").check()
    tab.save_settings()
    expect(go).to_have_text("Continue")
    expect(card).to_have_text("Continue")
    card.click()
    tab.ends(AGAIN)
    expect(go).to_be_hidden()
