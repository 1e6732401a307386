"""Start here: opens the memory and the model, and shows the studio.

    python app.py [--checkpoint DIR] [--host HOST] [--port PORT] [--home DIR]

Wires the rooms together and holds nothing itself. What keeps the studio from starting is one sentence
and exit code 2.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from engine.assets import default_checkpoint
from engine.settings import Settings
from sessions import Store, StoreError
from studio.identity import LOOPBACK
from studio.room import Room

DEFAULT_PORT = 7860


class CannotStartError(Exception):
    """What is in the way, in one whole sentence."""


def main(argv: Sequence[str] | None = None, *, open_painter: Callable[[], Any] | None = None) -> int:
    """Runs the studio until Ctrl-C and returns the exit code.

    ``open_painter`` takes the place of the checkpoint: for tests, and for painters of another kind.
    """
    wish = options(argv)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        opened = _Opened(open_painter or _opener(wish.checkpoint or default_checkpoint()))
        _port_must_be_free(wish.host, wish.port)
        with Store.open(wish.home) as store:
            _log_to(store.home / "restroke.log")
            room = _room(store, opened, loopback_only=wish.host in LOOPBACK)
            try:
                return _serve(wish, room, opened, stop)
            finally:
                room.worker.close()
    except (CannotStartError, StoreError, FileNotFoundError) as error:
        print(f"Restroke can't start: {error}", file=sys.stderr)
        return 2


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; Gradio's own environment variables give the defaults."""
    parser = argparse.ArgumentParser(
        prog="restroke", description="Make a picture together with a model, step by step."
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="a model folder (default: the one that ships with Restroke)"
    )
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=os.environ.get("GRADIO_SERVER_PORT", DEFAULT_PORT))
    parser.add_argument(
        "--home", type=Path, help="where sessions are kept (default: RESTROKE_HOME or your data folder)"
    )
    return parser.parse_args(argv)


def _serve(wish: argparse.Namespace, room: Room, opened: _Opened, stop: threading.Event) -> int:
    """Waits for the model, opens the page, says where, and stays until it is interrupted."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from studio.routes import routes
    from studio.shell import build, launch_options  # Gradio takes seconds; the model is opened meanwhile

    while room.worker.snapshot().state == "loading" and not stop.wait(0.05):
        pass
    working = room.worker.snapshot()
    if working.state == "failed":
        raise CannotStartError(f"{working.cause} {working.next_action}".strip())
    if not stop.is_set():
        room.settings, room.hint = opened.settings(), opened.hint()
        room.examples = opened.examples()
        page = build(room)
        try:
            page.launch(
                server_name=wish.host,
                server_port=wish.port,
                app_kwargs={"routes": routes(room)},
                **launch_options(),
            )
        except OSError as error:  # taken since the check at the start
            raise CannotStartError(f"port {wish.port} on {wish.host} can't be used ({error}).") from error
        host = f"[{wish.host}]" if ":" in wish.host else wish.host
        print(f"Restroke is open at http://{host}:{wish.port}", flush=True)
        print(opened.about(), flush=True)
        if room.store.lost_at_open:
            print("Work was interrupted last time; its session offers to resume.", flush=True)
        while not stop.wait(1.0):
            pass
        room.log.close()
        page.close(verbose=False)
    print("Restroke is closed. Everything that was finished is kept.", flush=True)
    return 0


class _Opened:
    """Opens the painter when the worker calls it, and keeps it to be asked about."""

    def __init__(self, open_painter: Callable[[], Any]) -> None:
        self._open, self.painter = open_painter, None

    def __call__(self) -> Any:
        self.painter = self._open()
        return self.painter

    def settings(self) -> Settings:
        """The house's defaults, where the checkpoint doesn't recommend its own or knows no such protocol."""
        own = getattr(self.painter, "sampling", {})
        try:
            usual = Settings.from_dict({**Settings().as_dict(), **own})
            known = usual.protocol in self.painter.protocols
            return usual if known else replace(usual, protocol=self.painter.protocols[0])
        except (TypeError, ValueError) as error:
            raise CannotStartError(f"the checkpoint recommends settings that don't fit: {error}.") from error

    def hint(self) -> Callable[[str], str] | None:
        """Hints about unknown words, when the model knows nothing but the storybook world."""
        if getattr(self.painter, "world", "") != "storybook":
            return None
        from studio.hints import unknown_words_hint

        return unknown_words_hint

    def examples(self) -> tuple[str, ...]:
        """Prompts to begin with, the checkpoint's own where it has some."""
        from studio.examples import examples_of

        checkpoint = getattr(self.painter, "checkpoint", None)
        return examples_of(checkpoint.folder if checkpoint else None)

    def about(self) -> str:
        """One honest line about the model."""
        precision = self.painter.fingerprint.get("precision", "unknown precision")
        model = getattr(self.painter, "model", None)
        size = f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters · " if model else ""
        return f"{self.painter.title} · {size}{precision} · seconds a round: not measured yet"


def _opener(checkpoint: Path) -> Callable[[], Any]:
    if not checkpoint.is_dir():
        raise CannotStartError(f"there is no folder {checkpoint}. Give a model folder with --checkpoint.")

    def open_it() -> Any:
        from engine.inference.painter import open_painter  # torch takes seconds, and its own thread

        return open_painter(checkpoint)

    return open_it


def _room(store: Store, open_painter: Callable[[], Any], **more: Any) -> Room:
    try:
        return Room.open(store, open_painter, **more)
    except OSError as error:
        raise CannotStartError(
            f"{store.home} can't be written ({error.strerror}). Choose another folder with --home."
        ) from error


def _log_to(path: Path) -> None:
    """Tracebacks go into a file; what a person must know is said in sentences."""
    try:
        handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise CannotStartError(
            f"{path} can't be written ({error.strerror}). Choose another folder with --home."
        ) from error
    logging.basicConfig(
        level=logging.WARNING, handlers=[handler], format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )


def _port_must_be_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CannotStartError(
                f"port {port} on {host} can't be used ({error}). Close what uses it, or give another."
            ) from error


if __name__ == "__main__":
    sys.exit(main())
