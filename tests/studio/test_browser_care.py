"""What a careful studio does in a browser: hostile text, pictures in and out, undo, keys, phones."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Route, expect

from tests.studio.pages import DONE, Tab, quiet_tab

HOSTILE = '<img src=x onerror="document.title=1"> ${document.title=2} {{x}} </ins><|vision_start|> 🦊 שלום'

WIDE = "[document.documentElement, document.querySelector('.room')].some(e => e.scrollWidth > innerWidth)"


def png(colour: str, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def test_hostile_text_is_only_text(tab):
    tab.paint(HOSTILE).ends(DONE)
    expect(tab.page.locator(".room h1")).to_have_text(HOSTILE)
    tab.do("plan", "edit")
    tab.page.locator('textarea[data-field="instruction"]').fill(HOSTILE)
    tab.page.get_by_role("button", name="Save and run from here").click()
    expect(tab.card("plan").locator(".text").first).to_have_text(HOSTILE)
    tab.ends(DONE)
    assert tab.page.locator(".rs img[src=x]").count() == 0
    assert tab.page.title().endswith("· Restroke")


def test_empty_and_endless_prompts_get_a_sentence_and_lose_nothing(tab):
    tab.home().page.get_by_role("button", name="Paint it").click()
    expect(tab.page.locator(".begin .problem")).to_contain_text("Write what the picture should show")
    words = tab.page.locator(".first-words")
    words.fill("a house " * 1250)
    expect(tab.page.locator(".begin .problem")).to_contain_text("10,000 characters")
    expect(tab.page.get_by_role("button", name="Paint it")).to_be_disabled()
    tab.page.reload()
    expect(words).to_have_value("a house " * 1250)


def test_a_picture_is_replaced_by_a_persons_own(tab):
    tab.painted()
    with tab.page.expect_file_chooser() as chooser:
        tab.do("sketch", "replace")
    chooser.value.set_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": png("#ff0000", (400, 300))}
    )
    tab.page.get_by_role("button", name="Use it and run from here").click()
    expect(tab.card("sketch")).to_contain_text("your picture")
    expect(tab.page.locator(".toast")).to_contain_text("128 × 128")
    tab.ends(DONE)
    assert "my picture" in tab.branches()


def test_a_file_that_is_no_picture_gets_a_sentence(tab):
    tab.painted()
    with tab.page.expect_file_chooser() as chooser:
        tab.do("sketch", "replace")
    chooser.value.set_files({"name": "mine.png", "mimeType": "image/png", "buffer": b"no picture at all"})
    tab.page.get_by_role("button", name="Use it and run from here").click()
    expect(tab.page.locator(".toast.bad")).to_contain_text("isn't a picture")
    assert tab.branches() == ["first idea"]
    assert "400" in tab.wrong.pop()


def test_painting_over_a_picture(tab):
    tab.painted()
    tab.do("sketch", "edit")
    board = tab.page.locator("canvas.board")
    expect(board).to_be_visible()
    tab.page.get_by_role("button", name="purple").click()
    before = board.evaluate("c => c.toDataURL()")
    box = board.bounding_box()
    tab.page.mouse.move(box["x"] + 60, box["y"] + 60)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 160, box["y"] + 160, steps=4)
    tab.page.mouse.up()
    painted = board.evaluate("c => c.toDataURL()")
    assert painted != before
    tab.page.get_by_role("button", name="Undo").click()
    assert board.evaluate("c => c.toDataURL()") == before
    tab.page.mouse.click(box["x"] + 90, box["y"] + 90)
    tab.page.get_by_role("button", name="Save and run from here").click()
    expect(tab.card("sketch")).to_contain_text("your picture")
    tab.ends(DONE)


def stroke(tab: Tab) -> None:
    """Opens the painting dialog on the first sketch and paints a stroke."""
    tab.do("sketch", "edit")
    box = tab.page.locator("canvas.board").bounding_box()
    tab.page.mouse.click(box["x"] + 90, box["y"] + 90)


def test_a_painting_that_did_not_arrive_is_still_there(tab):
    tab.painted()
    tab.page.route("**/upload*", lambda route: route.abort())
    stroke(tab)
    board = tab.page.locator("canvas.board")
    painted = board.evaluate("c => c.toDataURL()")
    tab.page.get_by_role("button", name="Save only").click()
    expect(tab.page.locator("dialog .problem")).to_contain_text("didn't reach Restroke")
    assert board.evaluate("c => c.toDataURL()") == painted
    assert "ERR_FAILED" in tab.wrong.pop()
    tab.page.unroute("**/upload*")
    tab.page.get_by_role("button", name="Save only").click()
    expect(tab.card("sketch")).to_contain_text("your picture")
    expect(tab.card("sketch")).to_be_focused()


def test_a_painting_reaches_its_session_when_another_is_opened_meanwhile(tab):
    tab.painted("a purple boat")
    tab.painted("a yellow sun")
    tab.page.locator(".side .sess", has_text="a purple boat").first.locator("a, button").first.click()
    expect(tab.page.locator(".room h1")).to_have_text("a purple boat")
    held: list[Route] = []
    tab.page.route("**/upload*", lambda route: held.append(route))
    stroke(tab)
    with tab.page.expect_request("**/upload*"):
        tab.page.get_by_role("button", name="Save only").click()
    tab.page.evaluate("history.back()")
    expect(tab.page.locator(".room h1")).to_have_text("a yellow sun")
    held[0].continue_()
    toast = tab.page.locator(".toast", has_text="in the session it belongs to")
    expect(tab.page.locator("dialog")).to_have_count(0)
    assert tab.branches() == ["first idea"]
    toast.get_by_role("button", name="Open it").click()
    expect(tab.page.locator(".room h1")).to_have_text("a purple boat")
    expect(tab.card("sketch")).to_contain_text("your picture")


def test_a_downloaded_picture_opens_its_session_again(tab, tmp_path: Path):
    tab.painted("a purple boat")
    with tab.page.expect_download() as download:
        tab.page.locator('.tools [data-do="download"]').click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    tab.home()
    before = tab.page.locator(".grid .sess").count()
    data = file.read_bytes()
    tab.page.evaluate(
        """bytes => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], 'picture.png', {type: 'image/png'}));
          document.dispatchEvent(new DragEvent('drop', {dataTransfer: data, cancelable: true}));
        }""",
        list(data),
    )
    expect(tab.page.locator(".room h1")).to_have_text("a purple boat")
    expect(tab.card("refine")).to_be_visible()
    tab.home()
    expect(tab.page.locator(".grid .sess")).to_have_count(before + 1)


def test_rename_search_delete_and_undo(tab):
    tab.painted("a green tree")
    tab.home()
    row = tab.page.locator(".grid .sess").first
    row.locator(".more").click()
    tab.page.get_by_role("textbox", name="Name").fill("The lonely oak")
    tab.page.locator("dialog").get_by_role("button", name="Rename").click()
    expect(tab.page.locator(".grid .sess").first).to_contain_text("The lonely oak")
    tab.page.get_by_label("Search sessions").first.fill("lonely oak")
    expect(tab.page.locator(".grid .sess")).to_have_count(1)
    tab.page.locator(".grid .sess .more").click()
    tab.page.locator("dialog").get_by_role("button", name="Delete").click()
    tab.page.locator("dialog", has_text="Delete this session?").get_by_role("button", name="Delete").click()
    expect(tab.page.locator(".grid .sess")).to_have_count(0)
    tab.page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(tab.page.locator(".grid .sess")).to_have_count(1)


def test_the_keyboard_walks_edits_compares_and_helps(tab):
    tab.painted()
    press = tab.page.keyboard.press
    tab.page.locator(".room h1").click()
    press("j")
    expect(tab.card("plan")).to_be_focused()
    press("j")
    expect(tab.card("sketch")).to_be_focused()
    press("k")
    press("e")
    expect(tab.page.locator('textarea[data-field="instruction"]')).to_be_focused()
    press("j")
    expect(tab.page.locator('textarea[data-field="instruction"]')).to_have_value(re.compile("j"))
    press("Escape")
    expect(tab.page.locator(".editor")).to_have_count(0)
    press("c")
    expect(tab.page.locator(".large-view.comparing .slide")).to_be_visible()
    press("c")
    press("?")
    expect(tab.page.locator("dialog")).to_contain_text("next card")
    press("Escape")
    expect(tab.page.locator("dialog")).to_have_count(0)


def test_a_failed_step_is_a_card_that_can_be_tried_again(tab):
    tab.paint("a broken red house")
    failed = tab.page.locator(".card.failed")
    expect(failed).to_contain_text("The picture came out empty.")
    failed.get_by_role("button", name="Try again").click()
    tab.ends(DONE)
    expect(failed).to_have_count(0)


def test_two_tabs_rewriting_one_card_both_keep_their_words(tab, context: BrowserContext):
    tab.painted()
    second = context.new_page()
    second.goto(tab.page.url)
    expect(second.locator(".card.plan").first).to_be_visible()
    tab.do("plan", "edit")
    second.locator(".card.plan [data-do=edit]").first.click()
    field = '[data-field="instruction"]'
    tab.page.locator(field).fill("Add a blue house.")
    second.locator(field).fill("Add a white house.")
    tab.page.get_by_role("button", name="Save only").click()
    tab.ends("Saved. Nothing has run from here yet.")
    second.get_by_role("button", name="Save only").click()
    expect(second.locator(".editor .problem")).to_contain_text("rewritten in another tab")
    expect(second.locator(field)).to_have_value("Add a white house.")
    second.get_by_role("button", name="Save only").click()
    expect(second.locator(".card.plan").first).to_contain_text("Add a white house.")
    assert "white house" in second.locator(".bar select option").all_inner_texts()


def test_a_press_that_began_in_a_field_does_not_close_the_dialog(tab):
    """Words are selected by dragging, and a hand goes too far."""
    tab.home()
    tab.page.get_by_role("button", name="Settings").click()
    seed = tab.page.get_by_label("Seed", exact=False).first
    seed.fill("4711")
    box = seed.bounding_box()
    tab.page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    tab.page.mouse.down()
    tab.page.mouse.move(4, 4)
    tab.page.mouse.up()
    expect(seed).to_have_value("4711")
    tab.page.mouse.click(4, 4)
    expect(tab.page.locator("dialog")).to_have_count(0)


def test_settings_are_kept(tab):
    tab.painted()
    tab.page.locator('[data-do="settings"]').click()
    expect(tab.page.get_by_label("Maximum pictures")).to_have_value("12")
    tab.page.get_by_label("Maximum rounds").fill("1")
    tab.page.get_by_label("Maximum pictures").fill("2")
    tab.page.get_by_label("One image").or_(
        tab.page.locator('input[name="protocol"][value="direct"]')
    ).first.check()
    with tab.page.expect_response(re.compile("/gradio_api/(run|call)/")):
        tab.save_settings()
    tab.page.reload()
    tab.page.locator('[data-do="settings"]').click()
    expect(tab.page.get_by_label("Maximum rounds")).to_have_value("1")
    expect(tab.page.get_by_label("Maximum pictures")).to_have_value("2")
    expect(tab.page.locator('input[name="protocol"][value="direct"]')).to_be_checked()


def test_a_phone_has_the_picture_first_and_no_sideways_scroll(browser: Browser, served):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for tab in quiet_tab(served, context):
        tab.painted()
        for scheme in ("light", "dark"):
            tab.page.emulate_media(color_scheme=scheme)
            fits_a_phone(tab)
    context.close()


def fits_a_phone(tab: Tab) -> None:
    assert not tab.page.evaluate(WIDE)
    tab.page.locator(".room").evaluate("room => room.scrollTo(0, 0)")
    picture, title = (
        tab.page.locator(".large-view").bounding_box(),
        tab.page.locator(".room h1").bounding_box(),
    )
    assert picture["y"] < title["y"]
    tab.card("refine").scroll_into_view_if_needed()
    assert tab.page.locator(".large-view").bounding_box()["y"] >= 0
    branches = tab.page.get_by_role("button", name="Branches")
    branches.click()
    expect(tab.page.locator(".tree")).to_be_visible()
    tab.page.locator('[data-do="settings"]').click()
    box = tab.page.locator("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    tab.page.keyboard.press("Escape")
    assert not tab.page.evaluate(WIDE)
    branches.click()
    expect(tab.page.locator(".tree")).to_be_hidden()
