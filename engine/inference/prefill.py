"""Prefilling: runs one item of a context through the model and keeps its keys and values as a segment.

A segment never changes once it is made, and every context that begins with it shares it. Which segments
are kept is up to :mod:`engine.inference.context_cache`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from engine.checkpoints.tokenizer import SpecialTokens
from engine.inference.events import Check, no_check
from engine.model.attention import QKV, PastAttention
from engine.model.bagel import Bagel
from engine.model.language import GEN, UND, Attend
from engine.model.patches import patchify


@dataclass(frozen=True)
class TextTokens:
    """A text as token ids, without the bos and eos around it."""

    ids: tuple[int, ...]

    @cached_property
    def key(self) -> str:
        return "text:" + ",".join(map(str, self.ids))


@dataclass(frozen=True)
class VaeImage:
    """A picture as clean latents [z, h, w] of the autoencoder; ``load`` computes them, if they are needed.

    ``name`` must tell apart all pictures whose latents differ.
    """

    name: str
    load: Callable[[], Tensor]

    @property
    def key(self) -> str:
        return "vae:" + self.name


@dataclass(frozen=True)
class VitImage:
    """A picture for the vision encoder: pixels [3, H, W] in [-1, 1], which ``load`` gives if needed."""

    name: str
    load: Callable[[], Tensor]

    @property
    def key(self) -> str:
        return "vit:" + self.name


ContextItem = TextTokens | VaeImage | VitImage
"""What a context is read from; one item becomes one segment."""


@dataclass(frozen=True)
class Segment:
    """Keys and values [L, kv, n, d] of one item after one particular past; ``key`` names item and past.

    ``rope`` is the next free rotary position, ``last_hidden`` [D] the state of the last token after the
    final norm, ``seconds`` the time it took to make.
    """

    key: str
    keys: Tensor
    values: Tensor
    rope: int
    last_hidden: Tensor
    seconds: float = 0.0

    def to(self, device: torch.device | str) -> Segment:
        """The same segment in another memory."""
        moved = {name: getattr(self, name).to(device) for name in ("keys", "values", "last_hidden")}
        return replace(self, **moved)

    @property
    def length(self) -> int:
        return self.keys.shape[2]

    @property
    def bytes(self) -> int:
        return 2 * self.keys.numel() * self.keys.element_size() + self.last_hidden.nbytes


@dataclass(frozen=True)
class Context:
    """What the model has read: segments in order. Extending one makes a new context that shares them."""

    segments: tuple[Segment, ...] = ()

    @property
    def length(self) -> int:
        """Tokens in the cache."""
        return sum(s.length for s in self.segments)

    @property
    def rope(self) -> int:
        """The next rotary position."""
        return self.segments[-1].rope if self.segments else 0

    @property
    def key(self) -> str:
        """Equal keys mean equal contexts."""
        return self.segments[-1].key if self.segments else ""


def segment_key(parent: str, item: ContextItem) -> str:
    """The key of ``item`` after the past named ``parent``."""
    return hashlib.sha256(f"{parent}|{item.key}".encode()).hexdigest()


def copy_context(context: Context, keys: Tensor, values: Tensor, start: int = 0) -> None:
    """Copies a context's segments, one behind the other, into buffers [L, kv, n, d] from ``start`` on."""
    for segment in context.segments:
        keys[:, :, start : start + segment.length] = segment.keys
        values[:, :, start : start + segment.length] = segment.values
        start += segment.length


class Workspace:
    """Keys and values of a context in one piece, with room behind them for what is read next.

    One workspace serves a whole build: what it holds already is not copied again, so reading n items one
    after the other copies each of them once. ``capacity`` is the number of tokens it is going to need; a
    context that needs more gets new buffers.
    """

    def __init__(self, model: Bagel, capacity: int = 0) -> None:
        self._model, self._capacity = model, capacity
        self._buffers: tuple[Tensor, Tensor] | None = None
        self._held: list[str] = []

    def hold(self, context: Context, room: int) -> tuple[Tensor, Tensor]:
        """Buffers [L, kv, capacity, d] that begin with ``context`` and have ``room`` tokens behind it."""
        needed = context.length + room
        if self._buffers is None or needed > self._buffers[0].shape[2]:
            self._buffers, self._held = None, []  # the old buffers' memory goes first
            config = self._model.config.language
            length = max(needed, self._capacity)
            shape = (config.num_layers, config.num_kv_heads, length, config.head_dim)
            keys = torch.empty(shape, dtype=self._model.dtype, device=self._model.device)
            self._buffers = keys, torch.empty_like(keys)
        keys, values = self._buffers
        shared = 0
        for key, segment in zip(self._held, context.segments, strict=False):
            if key != segment.key:
                break
            shared += 1
        start = sum(segment.length for segment in context.segments[:shared])
        copy_context(Context(context.segments[shared:]), keys, values, start)
        self._held = [segment.key for segment in context.segments]
        return keys, values

    def append(self, key: str) -> None:
        """Notes that the segment ``key`` now lies behind what is held."""
        self._held.append(key)


LAYERS_A_CHECK = 4
BLOCK = 512
"""Tokens of a text that are run at once; what a long text's attention needs grows with it."""


@torch.inference_mode()
def prefill(
    model: Bagel,
    tokens: SpecialTokens,
    context: Context,
    item: ContextItem,
    check: Check = no_check,
    workspace: Workspace | None = None,
) -> Segment:
    """Runs ``item`` after ``context`` and returns its segment; the context itself does not change.

    ``check`` may raise to end it. ``workspace`` is kept by whoever reads several items in a row. Raises
    ``ValueError`` when a picture is larger than the model's position grid.
    """
    began = time.perf_counter()
    workspace = workspace or Workspace(model)
    if isinstance(item, TextTokens):
        keys, values, last = _run_text(model, tokens, context, item, check, workspace)
    else:
        keys, values, last = _run_picture(model, tokens, context, item, check, workspace)
    key = segment_key(context.key, item)
    workspace.append(key)
    rope = context.rope + (keys.shape[2] if isinstance(item, TextTokens) else 1)
    last = last.clone()
    if last.is_cuda:
        torch.cuda.synchronize(last.device)  # for an honest clock
    return Segment(key, keys, values, rope, last, time.perf_counter() - began)


def token_count(model: Bagel, item: ContextItem) -> int:
    """How many tokens an item becomes in a context, the two that frame it included. Loads a picture."""
    if isinstance(item, TextTokens):
        return len(item.ids) + 2
    patch = model.config.vision.patch_size if isinstance(item, VitImage) else model.config.latent_patch
    _, height, width = item.load().shape
    return (height // patch) * (width // patch) + 2


def checked(attend: Attend, check: Check, device: torch.device) -> Attend:
    """``attend`` with a check every few layers: on a small GPU one pass over a picture takes seconds.

    It waits for the GPU, or all layers would be queued before the first one is done.
    """
    if check is no_check:
        return attend

    def checking(layer: int, groups: Sequence[QKV]) -> Sequence[Tensor]:
        if layer % LAYERS_A_CHECK == 0:
            if device.type == "cuda":
                torch.cuda.current_stream(device).synchronize()
            check()
        return attend(layer, groups)

    return checking


Run = tuple[Tensor, Tensor, Tensor]
"""New keys and values [L, kv, n, d], and the final-normed state [D] of the last token."""


def _run_text(
    model: Bagel,
    tokens: SpecialTokens,
    context: Context,
    item: TextTokens,
    check: Check,
    workspace: Workspace,
) -> Run:
    """Causal, a block of tokens at a time."""
    ids = torch.tensor([tokens.bos, *item.ids, tokens.eos], device=model.device)
    count, past = len(ids), context.length
    positions = torch.arange(count, device=model.device) + context.rope
    keys, values = workspace.hold(context, count)
    for begin in range(0, count, BLOCK):
        check()
        here, end = slice(begin, begin + BLOCK), min(begin + BLOCK, count)
        mask = torch.ones(end - begin, past + end, dtype=torch.bool, device=model.device).tril(past + begin)
        group = model.language_model.expert_rows(UND, model.embed_text(ids[here]), positions[here])
        (hidden,) = model.language_model([group], PastAttention(keys, values, past + begin, mask))
    new = slice(past, past + count)
    return keys[:, :, new].clone(), values[:, :, new].clone(), hidden[-1]


def _run_picture(
    model: Bagel,
    tokens: SpecialTokens,
    context: Context,
    item: VaeImage | VitImage,
    check: Check,
    workspace: Workspace,
) -> Run:
    """Every token sees every other; all of them share one position."""
    check()
    past, device = context.length, model.device
    und = model.embed_text(torch.tensor([tokens.start_of_image, tokens.end_of_image], device=device))
    gen = und[:0]
    if isinstance(item, VitImage):
        patches = _embed_vit(model, item.load()).to(und.dtype)
        und = torch.cat([und[:1], patches, und[1:]])
    else:
        gen = _embed_vae(model, item.load()).to(und.dtype)
    check()
    count = len(und) + len(gen)
    positions = torch.full((count,), context.rope, device=device)
    keys, values = workspace.hold(context, count)
    groups = [model.language_model.expert_rows(UND, und, positions[: len(und)])]
    if len(gen):
        groups.append(model.language_model.expert_rows(GEN, gen, positions[: len(gen)]))
    attend = checked(PastAttention(keys, values, past), check, device)
    hidden = model.language_model(groups, attend)[0]
    new = slice(past, past + count)
    if not len(gen):
        return keys[:, :, new].clone(), values[:, :, new].clone(), hidden[-1]
    # The two markers were run first; they are kept where they are read, around the picture.
    order = torch.tensor([0, *range(2, count), 1], device=device)
    new_keys, new_values = (buffer[:, :, new].index_select(2, order) for buffer in (keys, values))
    keys[:, :, new], values[:, :, new] = new_keys, new_values
    return new_keys, new_values, hidden[-1]


def _embed_vit(model: Bagel, pixels: Tensor) -> Tensor:
    patch = model.config.vision.patch_size
    rows, columns = (side // patch for side in pixels.shape[1:])
    ids = model.grid(rows, columns, model.config.vit_side).to(model.device)
    return model.embed_vision(patchify(pixels, patch).to(model.device), ids, [rows * columns])


def _embed_vae(model: Bagel, latent: Tensor) -> Tensor:
    patch = model.config.latent_patch
    rows, columns = (side // patch for side in latent.shape[1:])
    ids = model.grid(rows, columns, model.config.latent_side).to(model.device)
    time = torch.zeros(1, device=model.device)
    return model.embed_latents(patchify(latent, patch).to(model.device), time, ids)
