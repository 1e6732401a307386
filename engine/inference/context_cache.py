"""The context cache: longest shared prefix wins, segments are shared, byte budgets bound what is kept.

What no longer fits beside the model waits in the computer's own memory before it is dropped. Being
dropped costs one prefill, never correctness: a segment rebuilt after the same past is the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Mapping, Sequence
from itertools import accumulate

from engine.checkpoints.special_tokens import SpecialTokens
from engine.core.out_of_memory import is_memory_full
from engine.inference.events import Check, Reuse, go_on
from engine.inference.prefill import Context, Item, Segment, prefill, segment_key
from engine.model.bagel import Bagel


class LRUSegments:
    """Segments in one memory, least recently used first, within a budget of bytes."""

    def __init__(self, budget: int) -> None:
        self.budget, self.bytes = budget, 0
        self._segments: OrderedDict[str, Segment] = OrderedDict()

    def get(self, key: str) -> Segment | None:
        return self._segments.get(key)

    def put(self, segment: Segment) -> None:
        """Keeps a segment as the one used last."""
        self.take(segment.key)
        self._segments[segment.key] = segment
        self.bytes += segment.bytes

    def take(self, key: str) -> Segment | None:
        """Takes a segment off the shelf, if it is there."""
        segment = self._segments.pop(key, None)
        self.bytes -= segment.bytes if segment else 0
        return segment

    def overflow(self, budget: int | None = None, but: Container[str] = ()) -> list[Segment]:
        """Takes off what is too much, least recently used first; segments whose key is in ``but`` stay."""
        over, budget = [], self.budget if budget is None else budget
        for key in [key for key in self._segments if key not in but]:
            if self.bytes <= budget:
                break
            over.append(self.take(key))
        return over


class ContextCache:
    """Builds contexts for one model and remembers their segments, least recently used out first.

    ``budget_bytes`` are kept beside the model, ``host_bytes`` more in the computer's own memory. Not safe
    for use from several threads at once; the worker owns it.
    """

    def __init__(
        self, model: Bagel, tokens: SpecialTokens, budget_bytes: int = 512 * 2**20, host_bytes: int = 0
    ) -> None:
        self.model, self.tokens = model, tokens
        self.device, self.host = LRUSegments(budget_bytes), LRUSegments(host_bytes)

    def build(self, items: Sequence[Item], check: Check = go_on) -> tuple[Context, Reuse]:
        """The context after reading ``items``, and how much of it was already there."""
        (context,), reuse = self.build_all([items], check)
        return context, reuse

    def build_all(
        self, wishes: Sequence[Sequence[Item]], check: Check = go_on
    ) -> tuple[list[Context], Reuse]:
        """A context for each list of items; what several of them begin with is read, and counted, once.

        ``check`` may end it half-way; what was read by then is kept.
        """
        found: dict[str, Segment] = {}
        fresh: set[str] = set()
        contexts = []
        wanted = {key for items in wishes for key in _keys(items)}
        try:
            for items in wishes:
                context = Context()
                for key, item in zip(_keys(items), items, strict=True):
                    segment = found.get(key) or self._remembered(key)
                    if segment is None:
                        segment = prefill(self.model, self.tokens, context, item, check)
                        fresh.add(key)
                    found[key] = segment
                    self._make_room(found, wanted)
                    context = Context((*context.segments, segment))
                contexts.append(context)
        finally:
            self._keep(list(found.values()))
        old = [segment for key, segment in found.items() if key not in fresh]
        new = [segment for key, segment in found.items() if key in fresh]
        tokens = [sum(segment.length for segment in part) for part in (old, new)]
        seconds = [sum(segment.seconds for segment in part) for part in (old, new)]
        return contexts, Reuse(*tokens, *seconds)

    def spill(self) -> None:
        """Moves everything out of the model's memory: for when that has run out."""
        self._put_away(self.device.overflow(0))

    def _remembered(self, key: str) -> Segment | None:
        segment = self.device.get(key)
        if segment is None and (waiting := self.host.get(key)):
            segment = waiting.to(self.model.device)
            self.host.take(key)  # only now: had the copy found no room, it would be in neither place
        return segment

    def _make_room(self, live: Mapping[str, Segment], wanted: Container[str]) -> None:
        """Segments being read count too: others leave for them, so that both together keep the budget."""
        more = sum(segment.bytes for key, segment in live.items() if self.device.get(key) is None)
        self._put_away(self.device.overflow(self.device.budget - more, but=wanted))

    def _keep(self, segments: Sequence[Segment]) -> None:
        """Marks segments as just used, beginnings most recently, so that leaves are the first to go."""
        for segment in reversed(segments):
            self.device.put(segment)
        self._put_away(self.device.overflow())

    def _put_away(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            if segment.bytes > self.host.budget:
                continue
            try:
                self.host.put(segment.to("cpu"))
            except (MemoryError, RuntimeError) as error:
                if not is_memory_full(error):
                    raise
                self.host.overflow(
                    0
                )  # no room there either: reading them again costs less than a failed step
        self.host.overflow()


def _keys(items: Sequence[Item]) -> list[str]:
    """The keys of the segments of a context, in order."""
    return list(accumulate(items, segment_key, initial=""))[1:]
