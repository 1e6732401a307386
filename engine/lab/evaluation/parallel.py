"""Cases examined one after the other, or by several processes at once; their rows in order either way.

Pictures of a small model gain little from a second thread and nearly everything from a second process, so
each process has a model of its own on one thread and makes the cases anew from their seed: only plain
values go to it and only rows come back. Keeping the rows is the resume_file's business.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from _thread import interrupt_main
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from engine.core.settings import Settings
from engine.lab.evaluation.suite import Row, Setup, Suite
from engine.protocols.base import Protocol


@dataclass(frozen=True)
class Task:
    """What a process needs to examine cases of a run like any other process."""

    checkpoint: Path
    profile: str | None
    precision: str | None
    fingerprint: dict[str, Any]
    suite: Suite
    settings: Settings
    prompts: int
    seed: int
    images: int
    max_pictures: int
    protocol: Protocol | None = None


def sequentially(setup: Setup, suite: Suite, cases: Sequence[Any]) -> Generator[Row, None, None]:
    """The rows of ``cases``, each with its ``seconds``."""
    for case in cases:
        yield _timed(setup, suite, case)


def side_by_side(task: Task, first: int, last: int, workers: int) -> Generator[Row, None, None]:
    """The rows of the task's cases from ``first`` up to ``last``, each with its ``seconds``.

    Who stops asking stops the cases under way too. Raises ``OSError`` when a process dies.
    """
    context = get_context("spawn")
    ear, line = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        min(workers, last - first), mp_context=context, initializer=_begin, initargs=(task, ear)
    )
    try:
        yield from pool.map(_examine, range(first, last))
    except BrokenProcessPool as error:
        raise OSError(
            "a process that examined pictures died, perhaps for want of memory; what was finished is kept, "
            "give the same command again with --workers 1"
        ) from error
    except BaseException:
        line.close()  # one case can take minutes
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        line.close()
        ear.close()


def _timed(setup: Setup, suite: Suite, case: Any) -> Row:
    started = time.perf_counter()
    row = suite.examine(setup, case)
    return row | {"seconds": round(time.perf_counter() - started, 3)}


_own: dict[str, Any] = {}
"""What a process keeps from case to case: its setup, its suite and the cases."""

_stopped = threading.Event()
_busy = threading.Event()


def _begin(task: Task, ear: Connection) -> None:
    signal.signal(signal.SIGINT, _stop)
    threading.Thread(target=_hear, args=(ear,), daemon=True).start()
    import torch

    from engine.placement.planner import choose_placement
    from engine.runs.opened_model import open_placed

    torch.set_num_threads(1)
    model = open_placed(choose_placement(task.checkpoint, profile=task.profile, precision=task.precision))
    model = model.with_max_pictures(task.max_pictures)  # by the memory that was free before this process came
    if model.fingerprint != task.fingerprint:
        raise ValueError(f"{model.fingerprint} was opened in place of {task.fingerprint}")
    _own["setup"] = Setup(model, task.settings, task.seed, task.images, task.protocol)
    _own["suite"], _own["cases"] = task.suite, task.suite.cases(task.prompts, task.seed)


def _hear(ear: Connection) -> None:
    """Waits for the end of the line: the parent closes it to stop the cases, or has died itself.

    A process without a parent would wait for ever.
    """
    ear.poll(None)
    _stopped.set()
    interrupt_main()
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _stop(*_: object) -> None:
    """For the interrupt of :func:`_hear` only: one from a terminal goes to the parent too, which stops all.

    Between two cases it would end the process, and with it what others have found.
    """
    if _stopped.is_set() and _busy.is_set():
        raise KeyboardInterrupt


def _examine(number: int) -> Row:
    _busy.set()
    try:
        if _stopped.is_set():
            raise KeyboardInterrupt
        return _timed(_own["setup"], _own["suite"], _own["cases"][number])
    finally:
        _busy.clear()
