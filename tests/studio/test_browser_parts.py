"""Parts of the page alone, without a server: what a tab knows, commands in line, edits that match."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

STATIC = Path(__file__).resolve().parents[2] / "studio" / "static"
SITE = "http://page.test/"

SNAPSHOT = """{
  sid: "a", title: "t", seed: 1, settings: {keep_rejected: false}, live: {}, positions: [], notes: [],
  steps: [
    {id: "words", parent: null, kind: "prompt", author: "person", history: {all: 0, accepted: 0}},
    {id: "one", parent: "words", kind: "sketch", author: "model", history: {all: 2, accepted: 1}},
    {id: "two", parent: "words", kind: "sketch", author: "model", history: {all: 1, accepted: 1}},
  ],
  branches: [
    {id: "first", name: "first idea", tip: "one", finished_picture: "one", may_continue: true},
    {id: "second", name: "another sketch", tip: "two", finished_picture: "two", may_continue: true},
  ],
  runs: [{id: "r", branch: "first", state: "done", complete: true, after: "words"}],
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()

    def give(route: Route) -> None:
        name = route.request.url.removeprefix(SITE)
        if name:
            route.fulfill(path=STATIC / name, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    page.route(f"{SITE}**", give)
    page.goto(SITE)
    yield page
    page.close()


def run(page: Page, module: str, code: str) -> Any:
    """What ``code`` returns, with the names that ``module`` exports as ``m``."""
    return page.evaluate(f"async () => {{ const m = await import('/{module}'); {code} }}")


def model(page: Page, code: str) -> Any:
    return run(page, "state/session_model.js", f"const s = new m.SessionModel({SNAPSHOT}); {code}")


def test_a_session_tells_where_the_other_version_of_a_step_went(page: Page):
    found = "s.otherVersions(s.steps.get('two')).map(o => [o.step.id, o.branch.name, o.steps])"
    assert model(page, f"return {found}") == [["one", "first idea", 1]]


def test_the_pictures_that_the_model_sees_are_counted_by_the_sessions_rule(page: Page):
    counts = "const few = s.picturesInHistory('first'); s.settings.keep_rejected = true;"
    assert model(page, f"{counts} return [few, s.picturesInHistory('first')]") == [1, 2]


def test_a_persons_card_is_newer_than_the_end_of_a_run(page: Page):
    added = """s.apply({kind: "branch", branch: {...s.branch("first"), tip: "mine", finished_picture: null},
      steps: [{id: "mine", parent: "one", kind: "plan", author: "person"}]});"""
    now = "[s.run('first')?.id ?? null, s.mayGetMore('first'), s.finishedPicture('first')?.id ?? null]"
    assert model(page, f"return {now}") == ["r", True, "one"]
    assert model(page, f"{added} return {now}") == [None, False, None]


def test_news_of_a_step_replaces_what_was_being_made(page: Page):
    told = """s.apply({kind: "run", run: {id: "q", branch: "first", state: "running", after: "one"}});
      s.apply({kind: "live", run: "q", live: {kind: "inspect", text: "It"}});
      const before = s.liveOn("first").kind;
      s.apply({kind: "step", run: "q", step: {id: "look", parent: "one", kind: "inspect", author: "model"},
        branch: {...s.branch("first"), tip: "look"}});
      return [before, s.liveOn("first"), s.path("first").map(step => step.id)]"""
    assert model(page, told) == ["inspect", None, ["words", "one", "look"]]


def test_commands_go_one_at_a_time_and_each_gets_its_own_reply(page: Page):
    code = """const sent = [], client = new m.CommandClient(command => sent.push(command), null);
      const first = client.send("edit", {}), second = client.send("run", {});
      await Promise.resolve(); await Promise.resolve();
      const alone = sent.map(command => command.action);
      client.answered({nonce: "of another tab", ok: false});
      client.answered({nonce: sent[0].nonce, ok: true, branch: "b"});
      const reply = await first;
      await Promise.resolve(); await Promise.resolve();
      client.answered({nonce: sent[1].nonce, ok: false, error: "no"});
      return [alone, reply.branch, (await second).error, (await client.send("x", {}, "down")).error]"""
    assert run(page, "lib/command_client.js", code) == [["edit"], "b", "no", "down"]


@pytest.mark.parametrize(
    ("before", "after", "description", "edited"),
    [
        ("Add a red house.", "Add a blue house.", "A red house at night.", "A blue house at night."),
        ("Red house", "blue house", "Red house, red door.", "Blue house, red door."),
        ("Add a tree.", "Add a boat.", "A tree and a tree.", "A tree and a tree."),
    ],
)
def test_a_description_is_edited_to_match_only_where_it_is_unmistakable(
    page: Page, before: str, after: str, description: str, edited: str
):
    code = f"return m.matchingEdit({before!r}, {after!r}, {description!r})"
    assert run(page, "timeline/matching_edit.js", code) == edited
