"""``restroke paint``: one run without a browser, into a folder of PNGs and a trajectory.json.

Every finished step is on disk before the next begins, so stopping it loses only the step in progress.
"""

from __future__ import annotations

import argparse
import itertools
import json
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from engine import protocols
from engine.checkpoints.progress import LoadProgress, terminal_bar
from engine.core.assets import default_checkpoint
from engine.core.events import (
    Event,
    Preview,
    StepFinished,
    StepStarted,
    TextDelta,
)
from engine.placement.check import add_placement_options
from engine.runs.failures import explain
from engine.runs.run_folder import TRAJECTORY, RunFolder
from engine.runs.runner import run_trajectory

if TYPE_CHECKING:
    from engine.runs.opened_model import OpenedModel

STOPPED = 130


class CannotPaintError(Exception):
    """Why a run can't begin, as one sentence."""


def add_to(commands: Any) -> None:
    """Adds ``paint`` and its options to the commands of ``restroke``."""
    parser = commands.add_parser(
        "paint", help="paint one prompt", description="Paints one prompt, step by step, into a folder."
    )
    parser.add_argument("prompt", metavar="PROMPT", type=_prompt, help="what to paint")
    parser.add_argument(
        "--protocol",
        choices=protocols.NAMES,
        default="process",
        help="how: " + " ".join(f"{name}: {protocols.get(name).sentence}" for name in protocols.NAMES),
    )
    parser.add_argument(
        "--seed", metavar="N", type=_seed, help="the same seed gives the same pictures (default: a new one)"
    )
    add_placement_options(parser)
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="the folder for the pictures (default: painting-1 here, or the next free number)",
    )
    parser.add_argument("--json", action="store_true", help="print the trajectory as JSON and nothing else")
    parser.set_defaults(call=_call)


def _prompt(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; say what to paint")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("it is not readable as UTF-8 text") from None
    return text


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def _call(arguments: argparse.Namespace) -> int:
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    made_folder = False
    try:
        checkpoint = _checkpoint(arguments.checkpoint)
        folder, made_folder = _folder(arguments.out)
        model = _open(checkpoint, arguments.profile, arguments.precision)
        return paint(model, folder, arguments.prompt, arguments.protocol, seed, as_json=arguments.json)
    except CannotPaintError as error:
        print(f"paint: {error}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("paint: stopped", file=sys.stderr)
        status = STOPPED
    if made_folder:
        with suppress(OSError):  # it holds something: then it stays
            folder.rmdir()
    return status


def _checkpoint(wanted: Path | None) -> Path:
    try:
        folder = default_checkpoint() if wanted is None else wanted
    except FileNotFoundError as error:
        raise CannotPaintError(str(error)) from error
    if not folder.is_dir():
        raise CannotPaintError(f"there is no checkpoint folder {folder}; name one with --checkpoint DIR")
    return folder


def _folder(wanted: Path | None) -> tuple[Path, bool]:
    """The folder to paint into, and whether it was made for this."""
    folder = wanted or next(p for n in itertools.count(1) if not (p := Path(f"painting-{n}")).exists())
    if (folder / TRAJECTORY).exists():
        raise CannotPaintError(f"{folder} already holds a run; name another folder with --out DIR")
    try:
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        return folder, is_new
    except OSError as error:
        raise CannotPaintError(
            f"{folder} can't be made ({error.strerror}); name another folder with --out DIR"
        ) from error


def _open(checkpoint: Path, profile: str | None, precision: str | None) -> OpenedModel:
    from engine.runs.opened_model import open_model

    loading = LoadProgress()
    try:
        with terminal_bar(loading):
            model = open_model(checkpoint, profile=profile, precision=precision, loading=loading)
    except Exception as error:  # a foreign folder may hold anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CannotPaintError(f"the checkpoint {checkpoint} can't be opened: {reason}") from error
    print(model.about, file=sys.stderr)
    return model


def paint(
    model: OpenedModel, folder: Path, prompt: str, protocol: str, seed: int, *, as_json: bool = False
) -> int:
    """Paints a prompt into ``folder``. Returns the exit status; the first Ctrl-C ends the step under way."""
    if protocol not in model.protocols:
        raise CannotPaintError(
            f"this model was not trained to work by {protocol}; it offers {', '.join(model.protocols)}"
        )
    settings = model.settings.replace(protocol=protocol, mode="auto")
    run_folder = RunFolder(folder, prompt, protocol, seed, model.fingerprint)
    cancel = threading.Event()
    try:
        run_folder.save()
        with _ctrl_c(cancel), _Progress(quiet=as_json) as progress:
            for event in run_trajectory(
                model,
                model.protocols[protocol],
                run_folder.steps,
                settings,
                pixels=run_folder.pixels,
                store_image=run_folder.store_image,
                session_seed=seed,
                cancel=cancel,
            ):
                run_folder.follow(event)
                progress.follow(event, run_folder.files)
    except OSError as error:
        raise CannotPaintError(" ".join(explain(error))) from error
    if as_json:
        print(json.dumps(run_folder.as_dict(), indent=2))  # in ASCII, so that it is JSON in any encoding
    where = f"{len(run_folder.files)} pictures and {TRAJECTORY} are in {folder} (seed {seed})"
    print(f"{run_folder.reason}\n{where}", file=sys.stderr if as_json else sys.stdout)
    return {"failed": 1, "cancelled": STOPPED}.get(run_folder.state, 0)


@contextmanager
def _ctrl_c(cancel: threading.Event) -> Iterator[None]:
    """The first Ctrl-C asks the run to stop; a second one interrupts as usual."""

    def ask(number: int, frame: object) -> None:
        cancel.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Progress:
    """Shows a run on a terminal: a bar for the step under way, a line for each finished one."""

    def __init__(self, *, quiet: bool) -> None:
        self._say: Callable[[str], None] = (lambda _: None) if quiet else tqdm.write
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def follow(self, event: Event, files: dict[str, str]) -> None:
        match event:
            case StepStarted(kind):
                self._close()
                # disable=None: only on a terminal
                self._bar = tqdm(desc=kind, unit=" tokens", leave=False, disable=None, file=sys.stderr)
            case TextDelta() if self._bar is not None:
                self._bar.update()
            case Preview() if self._bar is not None:
                self._bar.unit, self._bar.total = " updates", event.total
                self._bar.update(event.index - self._bar.n)
            case StepFinished(step):
                self._close()
                words = files[step.image] if step.image else "  ".join(filter(None, step.fields.values()))
                shown = "".join(c if c.isprintable() else " " for c in words)
                self._say(f"{step.kind:8} {shown}  ({step.result['seconds']:.1f} s)")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
