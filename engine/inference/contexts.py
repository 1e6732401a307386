"""The context cache: longest shared prefix wins, segments are shared, a byte budget bounds what is kept.

Being evicted costs one prefill, never correctness: a segment rebuilt after the same past is the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from engine.checkpoints.special_tokens import SpecialTokens
from engine.inference.events import Reuse
from engine.inference.prefill import Context, Item, Segment, chain, prefill
from engine.model.bagel import Bagel


class ContextCache:
    """Builds contexts for one model and remembers their segments, least recently used out first.

    Not safe for use from several threads at once; the worker owns it.
    """

    def __init__(self, model: Bagel, tokens: SpecialTokens, budget_bytes: int = 512 * 2**20) -> None:
        self.model, self.tokens, self.budget = model, tokens, budget_bytes
        self.bytes = 0
        self._segments: OrderedDict[str, Segment] = OrderedDict()

    def build(self, items: Sequence[Item]) -> tuple[Context, Reuse]:
        """The context after reading ``items``, and how much of it was already there."""
        context, reused, prefilled = Context(), 0, 0
        for item in items:
            segment = self._segments.get(chain(context.key, item))
            if segment is None:
                segment = prefill(self.model, self.tokens, context, item)
                prefilled += segment.length
            else:
                reused += segment.length
            context = Context((*context.segments, segment))
        self._keep(context)
        return context, Reuse(reused, prefilled)

    def _keep(self, context: Context) -> None:
        """Marks a context as just used, its beginning most recently, so that leaves are evicted first."""
        for segment in reversed(context.segments):
            if segment.key not in self._segments:
                self.bytes += segment.bytes
            self._segments[segment.key] = segment
            self._segments.move_to_end(segment.key)
        while self.bytes > self.budget and self._segments:
            _, evicted = self._segments.popitem(last=False)
            self.bytes -= evicted.bytes
