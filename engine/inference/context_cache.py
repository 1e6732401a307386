"""The context cache: contexts share the segments they begin with, and byte budgets bound what is kept.

What no longer fits beside the model moves to the computer's own memory before it is dropped. A dropped
segment costs one prefill and never correctness: rebuilt after the same past, it is the same.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from torch import Tensor

from engine.checkpoints.tokenizer import SpecialTokens
from engine.core.out_of_memory import is_memory_full
from engine.inference.events import Check, Reuse, no_check
from engine.inference.prefill import (
    Context,
    ContextItem,
    Segment,
    TextTokens,
    VaeImage,
    VitImage,
    Workspace,
    prefill,
    segment_key,
    token_count,
)
from engine.model.bagel import Bagel


class LRUSegments:
    """Segments in one kind of memory, within a budget of bytes; the least recently used are evicted first."""

    def __init__(self, budget: int) -> None:
        self.budget, self.bytes = budget, 0
        self._segments: OrderedDict[str, Segment] = OrderedDict()

    def get(self, key: str) -> Segment | None:
        return self._segments.get(key)

    def put(self, segment: Segment) -> None:
        """Keeps a segment as the most recently used one. May exceed the budget until :meth:`evict`."""
        self.pop(segment.key)
        self._segments[segment.key] = segment
        self.bytes += segment.bytes

    def pop(self, key: str) -> Segment | None:
        """Removes a segment and returns it, if it is there."""
        segment = self._segments.pop(key, None)
        self.bytes -= segment.bytes if segment else 0
        return segment

    def evict(self, budget: int | None = None, keep: Container[str] = ()) -> list[Segment]:
        """Removes and returns what exceeds the budget; segments whose key is in ``keep`` stay."""
        evicted, budget = [], self.budget if budget is None else budget
        for key in [key for key in self._segments if key not in keep]:
            if self.bytes <= budget:
                break
            evicted.append(self._segments.pop(key))
            self.bytes -= evicted[-1].bytes
        return evicted


class ContextCache:
    """Builds contexts for one model and keeps their segments for the next ones.

    ``budget_bytes`` are kept beside the model (``device``), ``host_bytes`` more in the computer's own
    memory (``host``). Not safe for use from several threads at once; the worker owns it.
    """

    def __init__(
        self, model: Bagel, tokens: SpecialTokens, budget_bytes: int = 512 * 2**20, host_bytes: int = 0
    ) -> None:
        self.model, self.tokens = model, tokens
        self.device, self.host = LRUSegments(budget_bytes), LRUSegments(host_bytes)

    def build(self, items: Sequence[ContextItem], check: Check = no_check) -> tuple[Context, Reuse]:
        """The context after reading ``items``, and how much of it was already there."""
        (context,), reuse = self.build_all([items], check)
        return context, reuse

    def build_all(
        self, wanted: Sequence[Sequence[ContextItem]], check: Check = no_check
    ) -> tuple[list[Context], Reuse]:
        """A context for each list of items; what several of them begin with is read, and counted, once.

        ``check`` may raise to end it half-way; what was read by then is kept.
        """
        found: dict[str, Segment] = {}
        fresh: set[str] = set()
        contexts = []
        keys = {key for items in wanted for key in _keys(items)}
        try:
            loaded, seconds = self._load(wanted, check)
            workspace = Workspace(self.model, self._capacity(wanted, loaded))
            for items in wanted:
                context = Context()
                for key, item in zip(_keys(items), items, strict=True):
                    segment = found.get(key) or self._find(key)
                    if segment is None:
                        item = loaded.pop(key, item)
                        segment = prefill(self.model, self.tokens, context, item, check, workspace)
                        segment = replace(segment, seconds=segment.seconds + seconds.get(key, 0.0))
                        fresh.add(key)
                    found[key] = segment
                    self._make_room(found, keys)
                    context = Context((*context.segments, segment))
                contexts.append(context)
        finally:
            self._keep(list(found.values()))
        old = [segment for key, segment in found.items() if key not in fresh]
        new = [segment for key, segment in found.items() if key in fresh]
        return contexts, Reuse(
            sum(segment.length for segment in old),
            sum(segment.length for segment in new),
            sum(segment.seconds for segment in old),
            sum(segment.seconds for segment in new),
        )

    def spill(self) -> None:
        """Moves everything out of the model's memory: for when that has run out."""
        self._move_to_host(self.device.evict(0))

    def clear(self) -> None:
        """Forgets every segment."""
        self.device.evict(0)
        self.host.evict(0)

    def _load(
        self, wanted: Sequence[Sequence[ContextItem]], check: Check
    ) -> tuple[dict[str, ContextItem], dict[str, float]]:
        """The pictures that have to be read, loaded, and the seconds that took, by segment key.

        They come before the workspace: encoding a picture takes much memory for a moment, and the sizes of
        all pictures say how large the workspace has to be.
        """
        loaded: dict[str, ContextItem] = {}
        seconds: dict[str, float] = {}
        for items in wanted:
            for key, item in zip(_keys(items), items, strict=True):
                if isinstance(item, TextTokens) or key in loaded or self._lookup(key):
                    continue
                check()
                began = time.perf_counter()
                loaded[key] = _loaded(item)
                seconds[key] = time.perf_counter() - began
        return loaded, seconds

    def _capacity(self, wanted: Sequence[Sequence[ContextItem]], loaded: Mapping[str, ContextItem]) -> int:
        """Tokens of the longest context in which something has to be read."""
        lengths = [0]
        for items in wanted:
            keys = _keys(items)
            there = [self._lookup(key) for key in keys]
            if not all(there):
                lengths.append(
                    sum(
                        segment.length if segment else token_count(self.model, loaded.get(key, item))
                        for key, item, segment in zip(keys, items, there, strict=True)
                    )
                )
        return max(lengths)

    def _lookup(self, key: str) -> Segment | None:
        """A segment wherever it is, without moving it."""
        return self.device.get(key) or self.host.get(key)

    def _find(self, key: str) -> Segment | None:
        """A segment in the model's memory, moved there if it was on the host."""
        segment = self.device.get(key)
        if segment is None and (on_host := self.host.get(key)):
            segment = on_host.to(self.model.device)
            self.host.pop(key)  # only now: had the copy found no room, it would be in neither memory
        return segment

    def _make_room(self, live: Mapping[str, Segment], wanted: Container[str]) -> None:
        """Segments being read count too: others leave for them, so that both together keep the budget."""
        more = sum(segment.bytes for key, segment in live.items() if self.device.get(key) is None)
        self._move_to_host(self.device.evict(self.device.budget - more, keep=wanted))

    def _keep(self, segments: Sequence[Segment]) -> None:
        """Marks segments as just used, beginnings most recently, so that leaves are the first to go."""
        for segment in reversed(segments):
            self.device.put(segment)
        self._move_to_host(self.device.evict())

    def _move_to_host(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            if segment.bytes > self.host.budget:
                continue
            try:
                self.host.put(segment.to("cpu"))
            except (MemoryError, RuntimeError) as error:
                if not is_memory_full(error):
                    raise
                self.host.evict(0)  # no room there either: reading again costs less than a failed step
        self.host.evict()


def _loaded(item: VaeImage | VitImage) -> VaeImage | VitImage:
    picture = item.load()

    def load() -> Tensor:
        return picture

    return replace(item, load=load)


def _keys(items: Sequence[ContextItem]) -> list[str]:
    """The keys of the segments of a context, in order."""
    return list(accumulate(items, segment_key, initial=""))[1:]
