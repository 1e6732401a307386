"""One token of text at a time through the network: plainly, or as a recorded CUDA graph of static shapes.

What to say (greedy, sampled, when to stop) is :mod:`engine.inference.text`'s business.
"""

from __future__ import annotations

import logging
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from engine.core.out_of_memory import is_card_full
from engine.inference.prefill import Context, Workspace, copy_context
from engine.model.attention import PastAttention, TokenAttention
from engine.model.bagel import Bagel
from engine.model.embeddings import rotary
from engine.model.language import UND, Group

log = logging.getLogger(__name__)

TEXT_BUFFER_TOKENS = 2048
"""Tokens of context and text for which a recorded CUDA graph keeps its buffers from one text to the next."""


class Steps(Protocol):
    """How one token after the other goes through the network."""

    def begin(self, context: Context, room: int) -> None:
        """Makes ready for up to ``room`` tokens after a context."""

    def step(self, token: int) -> Tensor:
        """Feeds the next token; float32 logits [V] of what follows, good until the next call."""

    def end(self) -> None:
        """Lets go of what only this text needed."""


GROWING = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Kernels for a past that grows. cuDNN's, which torch prefers on Hopper, plans every length anew: some 30 ms
a token."""


class EagerDecoder:
    """Every operation on its own, on any device; attention reads just what is there."""

    def __init__(self, model: Bagel) -> None:
        self.model = model
        self.end()

    def begin(self, context: Context, room: int) -> None:
        language = self.model.config.language
        self._attend = PastAttention(*Workspace(self.model).hold(context, room), context.length)
        positions = torch.arange(context.rope, context.rope + room, device=self.model.device)
        self._angles = rotary(positions, language.head_dim, language.rope_theta)
        self._made = 0

    @torch.inference_mode()
    def step(self, token: int) -> Tensor:
        language, here = self.model.language_model, slice(self._made, self._made + 1)
        row = self.model.embed_text(torch.tensor([token], device=self.model.device))
        with sdpa_kernel(GROWING):
            (hidden,) = language([Group(UND, row, *(angle[here] for angle in self._angles))], self._attend)
        self._attend.past += 1
        self._made += 1
        return language.logits(hidden)[0]

    def end(self) -> None:
        self._attend = self._angles = None


class CudaGraphDecoder:
    """The same step over buffers whose addresses and shapes never change, recorded once as a CUDA graph.

    Without a launch for every small operation a token costs little more than reading the weights. Buffers
    of up to ``places`` tokens stay for the next text; a longer one has its own, a multiple of that, and
    gives them back, for a picture needs that memory and a recording takes no longer than a few tokens. On a
    CPU the step runs as it is, unrecorded: slower than :class:`EagerDecoder`, with the same result.
    """

    def __init__(self, model: Bagel, places: int = TEXT_BUFFER_TOKENS) -> None:
        self.model, self.places = model, 0
        self._least, self._records = places, True
        self._graph: torch.cuda.CUDAGraph | None = None

    @torch.inference_mode()
    def begin(self, context: Context, room: int) -> None:
        needed = context.length + room
        if needed > self.places:
            self._make(-(-needed // self._least) * self._least)
        copy_context(context, self._keys, self._values)
        for buffer in (self._keys, self._values):  # masked places are multiplied too, so none may hold a NaN
            buffer[:, :, context.length :].zero_()
        self._mask.fill_(float("-inf"))
        self._mask[:, : context.length] = 0
        self._place.fill_(context.length)
        self._position.fill_(context.rope)

    @torch.inference_mode()
    def step(self, token: int) -> Tensor:
        self._row.copy_(self.model.embed_text(torch.tensor([token], device=self.model.device)))
        if self._graph is None:
            self._once()
        else:
            self._graph.replay()
        return self._logits

    def end(self) -> None:
        """The next text finds everything ready, if it isn't long."""
        if self.places > self._least:
            self._drop()

    def _drop(self) -> None:
        self.places, self._graph, self._keys, self._values = 0, None, None, None

    @torch.inference_mode()
    def _make(self, places: int) -> None:
        """New buffers, and on CUDA a new recording, which needs the old one's memory back first."""
        self._drop()
        config, device, dtype = self.model.config.language, self.model.device, self.model.dtype
        shape = (config.num_layers, config.num_kv_heads, places, config.head_dim)
        self._keys, self._values = (torch.zeros(shape, dtype=dtype, device=device) for _ in range(2))
        self._mask = torch.zeros(1, places, dtype=dtype, device=device)
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        self._row = torch.zeros(1, config.hidden_size, dtype=dtype, device=device)
        self._logits = torch.zeros(config.vocab_size, device=device)
        try:
            self._record()
        except RuntimeError as error:
            if is_card_full(error):
                self._drop()  # or the memory would stay taken, and the next text go unrecorded
                raise
            log.warning("from here on text is written without a CUDA graph, more slowly: %s", error)
            self._graph, self._records = None, False
        self.places = places

    def _record(self) -> None:
        """Runs the step a few times to settle libraries and allocator, then records it; only on CUDA."""
        if self.model.device.type != "cuda" or not self._records:
            return
        with torch.cuda.device(self.model.device):  # streams and recordings are those of the current card
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    self._place.zero_()
                    self._once()
            torch.cuda.current_stream().wait_stream(aside)
            self._place.zero_()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._once()
        self._graph = graph

    def _once(self) -> None:
        """One token, from the buffers into the buffers: the same operations on the same memory each time."""
        language = self.model.language_model
        self._mask.index_fill_(1, self._place, 0)
        attend = TokenAttention(self._keys, self._values, self._place, self._mask)
        (hidden,) = language([language.group(UND, self._row, self._position)], attend)
        self._logits.copy_(language.logits(hidden)[0])
        self._place.add_(1)
        self._position.add_(1)


def make_decoder(model: Bagel, *, static: bool) -> Steps:
    """The steps to write with. ``static`` wants a recorded graph; where there is no room, that is logged."""
    if not static:
        return EagerDecoder(model)
    steps = CudaGraphDecoder(model)
    try:
        steps.begin(Context(), 1)
    except RuntimeError as error:
        log.warning("text is written without a CUDA graph, more slowly: %s", error)
        return EagerDecoder(model)
    return steps
