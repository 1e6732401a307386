"""Opens the store, the model and the page, and stays until Ctrl-C.

What keeps the studio from starting is told in one sentence, with exit code 2.
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
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.checkpoints.progress import LoadProgress, terminal_bar
from engine.core.assets import default_checkpoint
from sessions import Store, StoreError
from studio.auth import LOOPBACK
from studio.state import StudioState

if TYPE_CHECKING:
    from engine.runs.opened_model import OpenedModel

PATIENCE = 5.0
"""Seconds that the page waits for the model; a model that takes longer is loaded with the page open."""


class CannotStartError(Exception):
    """What is in the way, in one whole sentence."""


def launch(args: argparse.Namespace, open_model: Callable[[], OpenedModel] | None = None) -> int:
    """Runs the studio until Ctrl-C and returns the exit code.

    ``args`` are the options that ``restroke`` was given; ``open_model`` takes the place of its checkpoint.
    """
    loading, stop = LoadProgress(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        open_it = open_model or opener(args, loading)
        _port_must_be_free(args.host, args.port)
        with Store.open(args.home) as store:
            _log_to(store.home / "restroke.log")
            state = _state(store, open_it, loading=loading, loopback_only=args.host in LOOPBACK)
            try:
                return _serve(args, state, stop)
            finally:
                state.worker.close()
    except (CannotStartError, StoreError, FileNotFoundError) as error:
        print(f"Restroke can't start: {error}", file=sys.stderr)
        return 2


def opener(args: argparse.Namespace, loading: LoadProgress) -> Callable[[], OpenedModel]:
    """What opens the checkpoint that was asked for, or the one that ships.

    Raises :class:`CannotStartError` or ``FileNotFoundError`` when there is no such folder.
    """
    checkpoint = args.checkpoint or default_checkpoint()
    if not checkpoint.is_dir():
        raise CannotStartError(f"there is no folder {checkpoint}. Give a model folder with --checkpoint.")

    def open_it() -> OpenedModel:
        from engine.runs.opened_model import open_model  # on the worker's thread: torch takes seconds

        with terminal_bar(loading):
            return open_model(checkpoint, profile=args.profile, precision=args.precision, loading=loading)

    return open_it


def _serve(args: argparse.Namespace, state: StudioState, stop: threading.Event) -> int:
    """Waits for the model, opens the page, says where, and stays until it is interrupted."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from studio.routes import routes
    from studio.shell import build, launch_options  # Gradio takes seconds; the model is opened meanwhile

    until = time.monotonic() + PATIENCE
    while state.worker.snapshot().state == "loading" and time.monotonic() < until and not stop.wait(0.05):
        pass
    _must_not_have_failed(state)
    if not stop.is_set():
        page = build(state)
        try:
            page.launch(
                server_name=args.host,
                server_port=args.port,
                app_kwargs={"routes": routes(state)},
                **launch_options(),
            )
        except OSError as error:  # taken since the check at the start
            raise CannotStartError(f"port {args.port} on {args.host} can't be used ({error}).") from error
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"Restroke is open at http://{host}:{args.port}", flush=True)
        if state.store.lost_at_open:
            print("Work was interrupted last time; its session offers to resume.", flush=True)
        try:
            while state.worker.snapshot().state == "loading" and not stop.wait(0.2):
                pass
            _must_not_have_failed(state)
            model = state.worker.snapshot().model
            if model is not None and not stop.is_set():
                print(model.about, flush=True)
            while not stop.wait(1.0):
                pass
        finally:
            state.log.close()
            page.close(verbose=False)
    print("Restroke is closed. All finished steps are saved.", flush=True)
    return 0


def _must_not_have_failed(state: StudioState) -> None:
    worker = state.worker.snapshot()
    if worker.state == "failed":
        raise CannotStartError(f"{worker.cause} {worker.next_action}".strip())


def _state(store: Store, open_model: Callable[[], OpenedModel], **more: Any) -> StudioState:
    try:
        return StudioState.open(store, open_model, **more)
    except OSError as error:
        raise _unwritable(store.home, error) from error


def _log_to(path: Path) -> None:
    """Tracebacks go into a file; what a person must know is said in sentences."""
    try:
        handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from error
    logging.basicConfig(
        level=logging.WARNING, handlers=[handler], format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )


def _unwritable(path: Path, error: OSError) -> CannotStartError:
    return CannotStartError(f"{path} can't be written ({error.strerror}). Choose another folder with --home.")


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
