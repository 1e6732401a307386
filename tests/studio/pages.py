"""A running studio and a tab in it, with what a person does there: shared by the browser tests."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

HERE = Path(__file__).parent
DONE = "The model thinks the picture is finished."
"""What the line below says of a run that the model ended."""
PATIENCE = 60
"""Seconds for what a busy machine may be slow at; no test measures time."""
expect.set_options(timeout=PATIENCE * 1000)


class Served:
    """A running studio, by default on the scripted painter; started again, it keeps its address and home."""

    def __init__(self, home: Path, program: Path = HERE / "serve_scripted.py") -> None:
        self.home, self.program = home, program
        for _ in range(3):  # somebody may take the port that was free a moment ago
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}/"
            if "is open at" in (said := self._begin()):
                return
        pytest.fail(f"the studio did not start: {said}")

    def start(self) -> None:
        """Again, where it was."""
        assert "is open at" in (said := self._begin()), said

    def _begin(self) -> str:
        """What it says until it is open or has ended."""
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(self.program),
                "--home",
                str(self.home),
                "--port",
                str(self.port),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        said = ""
        assert self.process.stdout
        for line in self.process.stdout:
            said += line
            if "is open at" in line:
                break
        return said

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


class Visitor:
    """Talks to a running studio as the page does, without a browser."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.snapshot = self._call(0, None)["snapshot"]

    def command(self, action: str, sid: str | None, **values: Any) -> dict[str, Any]:
        reply = self._call(1, {"action": action, "nonce": "1", "sid": sid, **values})
        assert reply["ok"], reply
        return reply

    def create(self, prompt: str) -> str:
        """Begins a session and returns its id."""
        return self.command("create", None, prompt=prompt, settings={}, seed=None)["session"]

    def _call(self, number: int, command: Any) -> dict[str, Any]:
        """One of the page's two events: 0 greets, 1 takes a command."""
        body = {"data": [], "event_data": command, "fn_index": number, "session_hash": "visitor"}
        request = urllib.request.Request(
            f"{self.url}gradio_api/run/predict",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["data"][0]


class Tab:
    """One tab, with what a person does in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.wrong: list[str] = []
        """What went wrong in the tab; must be empty at the end of a test."""
        self.cards = page.locator(".timeline .card[data-step]")
        self.status = page.locator(".status .saying")

    def home(self) -> Tab:
        self.page.goto(self.url)
        expect(self.page.locator(".home h1")).to_be_visible()
        return self

    def paint(self, prompt: str) -> Tab:
        """Begins a session from the first page."""
        self.home()
        self.page.locator(".first-words").fill(prompt)
        self.page.get_by_role("button", name="Paint it").click()
        expect(self.page.locator(".room")).to_be_visible()
        return self

    def painted(self, prompt: str = "a red house left of a green tree") -> Tab:
        """A session whose run has ended; quicker than to begin it on the first page."""
        self.page.goto(f"{self.url}?session={Visitor(self.url).create(prompt)}")
        self.ends(DONE)
        return self

    def ends(self, sentence: str | re.Pattern[str]) -> None:
        expect(self.status).to_have_text(sentence)

    def kinds(self) -> list[str]:
        return [str(card.get_attribute("data-kind")) for card in self.cards.all()]

    def card(self, kind: str, number: int = 0) -> Locator:
        return self.page.locator(f'.card[data-kind="{kind}"]').nth(number)

    def do(self, kind: str, what: str, number: int = 0) -> None:
        self.card(kind, number).locator(f'[data-do="{what}"]').click()

    def save_settings(self) -> None:
        """Of the dialog that is open; over when they are kept, or on their way to the studio."""
        self.page.get_by_role("button", name="Save settings").click()
        expect(self.page.locator("dialog")).to_have_count(0)

    def branches(self) -> list[str]:
        return self.page.locator(".bar select option").all_inner_texts()


def quiet_tab(served: Served, context: BrowserContext) -> Iterator[Tab]:
    """A tab that must end without an error in its console and without a word to another host."""
    page = context.new_page()
    tab = Tab(page, served.url)
    own = ("http://127.0.0.1:", "data:", "blob:")
    page.on("pageerror", lambda error: tab.wrong.append(f"page error: {error}"))
    page.on(
        "console", lambda said: tab.wrong.append(f"console: {said.text}") if said.type == "error" else None
    )
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(own) else tab.wrong.append(f"request: {asked.url}"),
    )
    yield tab
    time.sleep(0.05)
    assert not tab.wrong, tab.wrong
