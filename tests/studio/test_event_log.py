"""The event log: order, coalescing, gaps and restarts."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from studio.event_log import EventLog


def kinds(log: EventLog, after: int, *channels: str) -> list[str]:
    return [event["kind"] for event in log.after(channels or ("s",), after)]


class TestOrder:
    def test_events_of_several_channels_come_in_the_order_they_happened(self):
        log = EventLog(start=10)
        log.append("s", "one")
        log.append("owner", "two")
        log.append("other", "not mine")
        log.append("s", "three")
        found = log.after(["s", "owner"], 10)
        assert [(e["seq"], e["kind"]) for e in found] == [(11, "one"), (12, "two"), (14, "three")]
        assert log.after(["s", "owner"], 14) == []

    def test_numbers_keep_growing_over_a_restart(self):
        before = EventLog()
        before.append("s", "old")
        time.sleep(0.005)
        after = EventLog()
        assert after.append("s", "new") > before.seq

    def test_many_threads_never_share_a_number(self):
        log = EventLog(start=0, keep=10_000)
        threads = [
            threading.Thread(target=lambda: [log.append("s", "e") for _ in range(200)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [e["seq"] for e in log.after(["s"], 0)] == list(range(1, 801))


class TestCoalescing:
    def test_only_the_newest_event_of_a_key_is_kept(self):
        log = EventLog(start=0)
        for index in range(5):
            log.append("s", "live", key="run 1", index=index)
        log.append("s", "live", key="run 2", index=0)
        assert [(e["seq"], e["index"]) for e in log.after(["s"], 0)] == [(5, 4), (6, 0)]

    def test_a_tab_that_saw_an_older_frame_gets_the_newest(self):
        log = EventLog(start=0)
        seen = log.append("s", "live", key="run 1", index=1)
        log.append("s", "live", key="run 1", index=2)
        assert [e["index"] for e in log.after(["s"], seen)] == [2]

    def test_what_is_over_is_taken_back(self):
        log = EventLog(start=0)
        log.append("s", "live", key="run 1")
        log.drop("s", "run 1")
        log.drop("s", "never there")
        log.append("s", "step")
        assert kinds(log, 0) == ["step"]


class TestGaps:
    def test_a_tab_from_before_a_restart_reads_everything_again(self):
        log = EventLog(start=1000)
        log.append("s", "step")
        assert kinds(log, 900) == ["resync"]
        assert kinds(log, 1000) == ["step"]

    def test_a_tab_from_the_future_reads_everything_again(self):
        assert kinds(EventLog(start=1000), 2000) == ["resync"]

    def test_a_tab_too_far_behind_reads_everything_again(self):
        log = EventLog(start=0, keep=3)
        for _ in range(5):
            log.append("s", "step")
        assert kinds(log, 1) == ["resync"]
        assert kinds(log, 2) == ["step"] * 3


def in_a_loop_of_its_own(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs ``work`` on another thread: the browser of other tests keeps a loop running on this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result(10)


def test_a_follower_is_woken_from_another_thread():
    log = EventLog()

    async def follow() -> float:
        async with log.follow() as changed:
            threading.Timer(0.05, lambda: log.append("s", "step")).start()
            began = time.monotonic()
            await asyncio.wait_for(changed.wait(), 5)
            return time.monotonic() - began

    assert in_a_loop_of_its_own(follow()) < 2
    log.append("s", "after the follower left")  # its loop is closed; this must not raise


def test_closing_wakes_every_follower():
    log = EventLog()

    async def follow() -> bool:
        async with log.follow() as changed:
            log.close()
            await asyncio.wait_for(changed.wait(), 5)
            return log.closed

    assert in_a_loop_of_its_own(follow())
