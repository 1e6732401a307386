"""Start here: opens the memory and the model, and shows the studio.

    python app.py [--checkpoint DIR] [--profile NAME] [--host HOST] [--port PORT] [--home DIR]
    python app.py check [--checkpoint DIR] [--profile NAME]    what runs here, how, and how fast
    python app.py quantise [--checkpoint DIR]                  saves a quantised copy beside the weights

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
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from engine import __main__ as engine_commands
from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.progress import Loading, terminal_bar
from engine.core.assets import default_checkpoint
from engine.core.settings import Settings
from engine.placement import check
from sessions import Store, StoreError
from studio.auth import LOOPBACK
from studio.state import StudioState

DEFAULT_PORT = 7860
PATIENCE = 5.0
"""Seconds that the page waits for the model; a model that takes longer is loaded with the page open."""


class CannotStartError(Exception):
    """What is in the way, in one whole sentence."""


def main(argv: Sequence[str] | None = None, *, open_painter: Callable[[], Any] | None = None) -> int:
    """Runs the studio until Ctrl-C and returns the exit code.

    ``open_painter`` takes the place of the checkpoint: for tests, and for painters of another kind.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0] in ("check", "quantise"):
        return engine_commands.main(given, program="restroke")
    wish, loading = options(given), Loading()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        opened = _Opened(open_painter or _opener(wish, loading))
        _port_must_be_free(wish.host, wish.port)
        with Store.open(wish.home) as store:
            _log_to(store.home / "restroke.log")
            room = _room(store, opened, loading=loading, loopback_only=wish.host in LOOPBACK)
            opened.room.set_result(room)
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
        prog="restroke",
        description="Make a picture together with a model, step by step.",
        epilog="Also: restroke check (does a model run here, how, how fast) and restroke quantise (saves a "
        "quantised copy of one); each has --help.",
    )
    check.add_fitting(parser)
    parser.add_argument(
        "--host",
        default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="address to listen on (%(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("GRADIO_SERVER_PORT", DEFAULT_PORT),
        help="port to listen on (%(default)s)",
    )
    parser.add_argument(
        "--home", type=Path, help="where sessions are kept (default: RESTROKE_HOME or your data folder)"
    )
    return parser.parse_args(argv)


def _serve(wish: argparse.Namespace, room: StudioState, opened: _Opened, stop: threading.Event) -> int:
    """Waits for the model, opens the page, says where, and stays until it is interrupted."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from studio.routes import routes
    from studio.shell import build, launch_options  # Gradio takes seconds; the model is opened meanwhile

    until = time.monotonic() + PATIENCE
    while room.worker.snapshot().state == "loading" and time.monotonic() < until and not stop.wait(0.05):
        pass
    _must_not_have_failed(room)
    if not stop.is_set():
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
        if room.store.lost_at_open:
            print("Work was interrupted last time; its session offers to resume.", flush=True)
        try:
            while room.worker.snapshot().state == "loading" and not stop.wait(0.2):
                pass
            _must_not_have_failed(room)
            if not stop.is_set():
                print(room.worker.snapshot().about, flush=True)
            while not stop.wait(1.0):
                pass
        finally:
            room.log.close()
            page.close(verbose=False)
    print("Restroke is closed. Everything that was finished is kept.", flush=True)
    return 0


def _must_not_have_failed(room: StudioState) -> None:
    working = room.worker.snapshot()
    if working.state == "failed":
        raise CannotStartError(f"{working.cause} {working.next_action}".strip())


class _Opened:
    """Opens the painter when the worker calls it, and tells the room what it can do."""

    def __init__(self, open_painter: Callable[[], Any]) -> None:
        self._open, self.painter = open_painter, None
        self.room: Future[StudioState] = Future()

    def __call__(self) -> Any:
        self.painter = self._open()
        room = self.room.result()
        room.settings, room.hint, room.examples = self.settings(), self.hint(), self.examples()
        return self.painter

    def settings(self) -> Settings:
        """The house's defaults, where the checkpoint doesn't recommend its own or knows no such protocol."""
        own = getattr(self.painter, "sampling", {})
        try:
            usual = Settings.from_dict({**Settings().as_dict(), **own})
            known = usual.protocol in self.painter.protocols
            return usual if known else replace(usual, protocol=self.painter.protocols[0])
        except (TypeError, ValueError) as error:
            raise CheckpointError(
                f"its config.json recommends settings that don't fit: {error}. Mend them there."
            ) from error

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


def _opener(wish: argparse.Namespace, loading: Loading) -> Callable[[], Any]:
    checkpoint = wish.checkpoint or default_checkpoint()
    if not checkpoint.is_dir():
        raise CannotStartError(f"there is no folder {checkpoint}. Give a model folder with --checkpoint.")

    def open_it() -> Any:
        from engine.placement.open import open_model  # torch takes seconds, and its own thread

        with terminal_bar(loading):
            return open_model(checkpoint, profile=wish.profile, precision=wish.precision, loading=loading)

    return open_it


def _room(store: Store, open_painter: Callable[[], Any], **more: Any) -> StudioState:
    try:
        return StudioState.open(store, open_painter, **more)
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
