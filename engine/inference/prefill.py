"""One segment after a context: what its tokens are, and one network pass that stores its keys and values.

A segment is immutable once made and shared by every context that begins with it. Which segments to
keep is the cache's business (``contexts``).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from engine.checkpoints.special_tokens import SpecialTokens
from engine.inference.events import Check, go_on
from engine.model.attention import Heads, PastAttention
from engine.model.bagel import Bagel
from engine.model.language import GEN, UND, Attend
from engine.model.patches import patchify


@dataclass(frozen=True)
class TextTokens:
    """A text by its token ids, without the framing bos and eos."""

    ids: tuple[int, ...]

    @cached_property
    def key(self) -> str:
        return "text:" + ",".join(map(str, self.ids))


@dataclass(frozen=True)
class VaeImage:
    """A picture as clean latents [z, h, w], computed by ``load`` only if the segment has to be run.

    ``name`` must say everything the latents depend on.
    """

    name: str
    load: Callable[[], Tensor]

    @property
    def key(self) -> str:
        return "clean:" + self.name


@dataclass(frozen=True)
class VitImage:
    """A picture for the vision encoder: pixels [3, H, W] in [-1, 1], computed by ``load`` only if needed."""

    name: str
    load: Callable[[], Tensor]

    @property
    def key(self) -> str:
        return "seen:" + self.name


Item = TextTokens | VaeImage | VitImage


@dataclass(frozen=True)
class Segment:
    """Keys and values [L, kv, n, d] of one item after one particular past; ``key`` names item and past.

    ``rope`` is the next free rotary position; ``last_hidden`` [D] the final-normed state of the last token;
    ``seconds`` what running it took.
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


def segment_key(parent: str, item: Item) -> str:
    """The key of ``item`` after the past named ``parent``."""
    return hashlib.sha256(f"{parent}|{item.key}".encode()).hexdigest()


def workspace(model: Bagel, context: Context, room: int) -> tuple[Tensor, Tensor]:
    """Buffers [L, kv, P + room, d] that begin with the context's keys and values, P tokens."""
    config = model.config.language
    shape = (config.num_layers, config.num_kv_heads, context.length + room, config.head_dim)
    keys, values = (torch.empty(shape, dtype=model.dtype, device=model.device) for _ in range(2))
    copy_context(context, keys, values)
    return keys, values


def copy_context(context: Context, keys: Tensor, values: Tensor, at: int = 0) -> None:
    """Copies a context's segments, one behind the other, into buffers [L, kv, n, d] from place ``at`` on."""
    for segment in context.segments:
        keys[:, :, at : at + segment.length] = segment.keys
        values[:, :, at : at + segment.length] = segment.values
        at += segment.length


LAYERS_A_CHECK = 4
BLOCK = 512
"""Tokens of a text that are run at once; what a long text's attention needs grows with it."""


@torch.inference_mode()
def prefill(
    model: Bagel, tokens: SpecialTokens, context: Context, item: Item, check: Check = go_on
) -> Segment:
    """Runs ``item`` after ``context``; the context itself is not touched. ``check`` may end it half-way.

    Raises ``ValueError`` when a picture is larger than the model's position grid.
    """
    began, past = time.perf_counter(), context.length
    run = _run_text if isinstance(item, TextTokens) else _run_picture
    keys, values, last = run(model, tokens, context, item, check)
    if past and not isinstance(item, VaeImage):  # don't keep the whole past alive through a view
        keys, values = keys.clone(), values.clone()
    rope = context.rope + (keys.shape[2] if isinstance(item, TextTokens) else 1)
    last = last.clone()
    if last.is_cuda:
        torch.cuda.synchronize(last.device)  # for an honest clock
    return Segment(segment_key(context.key, item), keys, values, rope, last, time.perf_counter() - began)


def checked(attend: Attend, check: Check, device: torch.device) -> Attend:
    """``attend`` with a check every few layers: on a small card one pass over a picture takes seconds.

    The card is waited for, or all layers would be asked for before the first one is done.
    """
    if check is go_on:
        return attend

    def checking(layer: int, groups: Sequence[Heads]) -> Sequence[Tensor]:
        if layer % LAYERS_A_CHECK == 0:
            if device.type == "cuda":
                torch.cuda.current_stream(device).synchronize()
            check()
        return attend(layer, groups)

    return checking


Run = tuple[Tensor, Tensor, Tensor]
"""New keys and values [L, kv, n, d], and the final-normed state [D] of the last token."""


def _run_text(model: Bagel, tokens: SpecialTokens, context: Context, item: TextTokens, check: Check) -> Run:
    """Causal, a block of tokens at a time."""
    ids = torch.tensor([tokens.bos, *item.ids, tokens.eos], device=model.device)
    count, past = len(ids), context.length
    positions = torch.arange(count, device=model.device) + context.rope
    keys, values = workspace(model, context, count)
    for begin in range(0, count, BLOCK):
        check()
        here, end = slice(begin, begin + BLOCK), min(begin + BLOCK, count)
        mask = torch.ones(end - begin, past + end, dtype=torch.bool, device=model.device).tril(past + begin)
        group = model.language_model.group(UND, model.embed_text(ids[here]), positions[here])
        (hidden,) = model.language_model([group], PastAttention(keys, values, past + begin, mask))
    return keys[:, :, past:], values[:, :, past:], hidden[-1]


def _run_picture(
    model: Bagel, tokens: SpecialTokens, context: Context, item: VaeImage | VitImage, check: Check
) -> Run:
    """Every token sees every other; all of them share one position."""
    check()
    past, device = context.length, model.device
    stream = model.embed_text(torch.tensor([tokens.start_of_image, tokens.end_of_image], device=device))
    gen = stream[:0]
    if isinstance(item, VitImage):
        seen = _embed_seen(model, item.load()).to(stream.dtype)
        stream = torch.cat([stream[:1], seen, stream[1:]])
    else:
        gen = _embed_clean(model, item.load()).to(stream.dtype)
    check()
    count = len(stream) + len(gen)
    positions = torch.full((count,), context.rope, device=device)
    keys, values = workspace(model, context, count)
    groups = [model.language_model.group(UND, stream, positions[: len(stream)])]
    if len(gen):
        groups.append(model.language_model.group(GEN, gen, positions[: len(gen)]))
    attend = checked(PastAttention(keys, values, past), check, device)
    hidden = model.language_model(groups, attend)[0]
    new_keys, new_values = keys[:, :, past:], values[:, :, past:]
    if len(gen):  # the two markers were run first; store the tokens as they are read
        order = torch.tensor([0, *range(2, count), 1], device=device)
        new_keys, new_values = new_keys.index_select(2, order), new_values.index_select(2, order)
    return new_keys, new_values, hidden[-1]


def _embed_seen(model: Bagel, pixels: Tensor) -> Tensor:
    patch = model.config.vision.patch_size
    rows, columns = (side // patch for side in pixels.shape[1:])
    ids = model.grid(rows, columns, model.config.vit_side).to(model.device)
    return model.embed_vision(patchify(pixels, patch).to(model.device), ids, [rows * columns])


def _embed_clean(model: Bagel, latent: Tensor) -> Tensor:
    patch = model.config.latent_patch
    rows, columns = (side // patch for side in latent.shape[1:])
    ids = model.grid(rows, columns, model.config.latent_side).to(model.device)
    time = torch.zeros(1, device=model.device)
    return model.embed_latents(patchify(latent, patch).to(model.device), time, ids)
