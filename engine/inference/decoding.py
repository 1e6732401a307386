"""Token decoders: one token of text at a time through the network, eagerly or by a recorded CUDA graph.

Which token comes next and when a text ends is decided in :mod:`engine.inference.text`.
"""

from __future__ import annotations

import logging
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from engine.core.out_of_memory import is_gpu_full
from engine.inference.prefill import Context, Workspace, copy_context
from engine.model.attention import PastAttention, TokenAttention
from engine.model.bagel import Bagel
from engine.model.embeddings import rotary
from engine.model.language import UND, ExpertRows

log = logging.getLogger(__name__)

TEXT_BUFFER_TOKENS = 2048
"""Tokens of context and text for which a recorded CUDA graph keeps its buffers from one text to the next."""


class TokenDecoder(Protocol):
    """Runs one token of a text after the other through the network."""

    def begin(self, context: Context, max_tokens: int) -> None:
        """Prepares for up to ``max_tokens`` tokens after a context."""

    def feed(self, token: int) -> Tensor:
        """Runs the next token; float32 logits [V] of what follows it, valid until the next call."""

    def end(self) -> None:
        """Frees what only this text needed."""


GROWING = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Attention kernels for a past that grows. cuDNN's, which torch prefers on Hopper, makes a new plan for every
length, which takes some 30 ms a token."""


class EagerDecoder:
    """Every operation on its own, on any device; attention reads just the past that is there."""

    def __init__(self, model: Bagel) -> None:
        self.model = model
        self._attend: PastAttention | None = None
        self._cos = self._sin = torch.empty(0)

    def begin(self, context: Context, max_tokens: int) -> None:
        language = self.model.config.language
        self._attend = PastAttention(*Workspace(self.model).hold(context, max_tokens), context.length)
        positions = torch.arange(context.rope, context.rope + max_tokens, device=self.model.device)
        self._cos, self._sin = rotary(positions, language.head_dim, language.rope_theta)
        self._fed = 0

    @torch.inference_mode()
    def feed(self, token: int) -> Tensor:
        assert self._attend is not None, "begin was not called"
        language, here = self.model.language_model, slice(self._fed, self._fed + 1)
        row = self.model.embed_text(torch.tensor([token], device=self.model.device))
        with sdpa_kernel(GROWING):
            (hidden,) = language([ExpertRows(UND, row, self._cos[here], self._sin[here])], self._attend)
        self._attend.past += 1
        self._fed += 1
        return language.logits(hidden)[0]

    def end(self) -> None:
        self._attend = None


class CudaGraphDecoder:
    """Runs tokens over buffers whose addresses and shapes never change, by a graph recorded once.

    Without a launch for every small operation a token costs little more than reading the weights. Buffers
    of up to ``tokens`` tokens stay for the next text. A longer text gets its own, a multiple of that, and
    frees them: a picture needs that memory, and recording again takes no longer than a few tokens. On a
    CPU nothing is recorded: slower than :class:`EagerDecoder`, with the same result.
    """

    def __init__(self, model: Bagel, tokens: int = TEXT_BUFFER_TOKENS) -> None:
        self.model, self.capacity = model, 0
        self._usual_capacity, self._can_record = tokens, True
        self._graph: torch.cuda.CUDAGraph | None = None
        self._buffers: tuple[Tensor, Tensor] | None = None

    @torch.inference_mode()
    def begin(self, context: Context, max_tokens: int) -> None:
        needed = context.length + max_tokens
        if self._buffers is None or needed > self.capacity:
            self._allocate(-(-needed // self._usual_capacity) * self._usual_capacity)
        assert self._buffers is not None
        copy_context(context, *self._buffers)
        for buffer in self._buffers:  # masked tokens are multiplied too, so none may hold a NaN
            buffer[:, :, context.length :].zero_()
        self._mask.fill_(float("-inf"))
        self._mask[:, : context.length] = 0
        self._index.fill_(context.length)
        self._position.fill_(context.rope)

    @torch.inference_mode()
    def feed(self, token: int) -> Tensor:
        self._row.copy_(self.model.embed_text(torch.tensor([token], device=self.model.device)))
        if self._graph is None:
            self._run()
        else:
            self._graph.replay()
        return self._logits

    def end(self) -> None:
        """Keeps buffers and graph for the next text, unless this one was long."""
        if self.capacity > self._usual_capacity:
            self._free()

    def _free(self) -> None:
        self.capacity, self._graph, self._buffers = 0, None, None

    @torch.inference_mode()
    def _allocate(self, capacity: int) -> None:
        """Makes new buffers, and on CUDA a new recording, which needs the old one's memory first."""
        self._free()
        config, device, dtype = self.model.config.language, self.model.device, self.model.dtype
        shape = (config.num_layers, config.num_kv_heads, capacity, config.head_dim)
        keys = torch.zeros(shape, dtype=dtype, device=device)
        self._buffers = keys, torch.zeros_like(keys)
        self._mask = torch.zeros(1, capacity, dtype=dtype, device=device)
        self._index = torch.zeros(1, dtype=torch.int64, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        self._row = torch.zeros(1, config.hidden_size, dtype=dtype, device=device)
        self._logits = torch.zeros(config.vocab_size, device=device)
        try:
            self._record()
        except RuntimeError as error:
            if is_gpu_full(error):
                self._free()  # or the memory would stay taken, and the next text go unrecorded
                raise
            log.warning("text is written without a CUDA graph from now on, more slowly: %s", error)
            self._graph, self._can_record = None, False
        self.capacity = capacity

    def _record(self) -> None:
        """Runs a token a few times to warm up libraries and allocator, then records it; only on CUDA."""
        if self.model.device.type != "cuda" or not self._can_record:
            return
        with torch.cuda.device(self.model.device):  # streams and recordings are those of the current GPU
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(3):
                    self._index.zero_()
                    self._run()
            torch.cuda.current_stream().wait_stream(aside)
            self._index.zero_()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._run()
        self._graph = graph

    def _run(self) -> None:
        """One token, from buffers into buffers: the same operations on the same memory each time."""
        assert self._buffers is not None
        language = self.model.language_model
        self._mask.index_fill_(1, self._index, 0)
        attend = TokenAttention(*self._buffers, self._index, self._mask)
        (hidden,) = language([language.expert_rows(UND, self._row, self._position)], attend)
        self._logits.copy_(language.logits(hidden)[0])
        self._index.add_(1)
        self._position.add_(1)


def make_decoder(model: Bagel, *, static: bool) -> TokenDecoder:
    """The decoder for a model. ``static`` asks for a recorded graph; without room for one, it logs that."""
    if not static:
        return EagerDecoder(model)
    decoder = CudaGraphDecoder(model)
    try:
        decoder.begin(Context(), 1)
    except RuntimeError as error:
        log.warning("text is written without a CUDA graph, more slowly: %s", error)
        return EagerDecoder(model)
    return decoder
