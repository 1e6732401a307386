"""The baseline: the same model, run the plain way, with nothing shared and nothing prepared.

Every context of guidance is a pass of its own over a copied cache; every pass joins past and new keys into
new tensors, layer by layer, and so does every token of a text. It is written here from the format's
description and is nobody's published code. Same weights, same results to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.checkpoints.tokenizer import SpecialTokens
from engine.inference.flow import Guidance, schedule
from engine.inference.prefill import Context
from engine.model.bagel import Bagel
from engine.model.language import GEN, UND

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values [1, kv, n, d] of every layer."""


def copied(model: Bagel, context: Context) -> Cache:
    """A cache of its own with everything the context holds."""
    config = model.config.language
    shape = (config.num_kv_heads, 0, config.head_dim)
    empty = torch.zeros(shape, dtype=model.dtype, device=model.device)
    cache = []
    for layer in range(config.num_layers):
        keys = torch.cat([empty, *(segment.keys[layer] for segment in context.segments)], dim=1)
        values = torch.cat([empty, *(segment.values[layer] for segment in context.segments)], dim=1)
        cache.append((keys[None].clone(), values[None].clone()))
    return cache


def forward(model: Bagel, rows: Tensor, gen: Tensor, positions: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
    """Rows [T, D] in reading order, those of ``gen`` [T] (bool) through the generation expert, none masked.

    Returns their states after the final norms, and the joined caches.
    """
    language, config = model.language_model, model.config.language
    angles = _angles(positions, config.head_dim, config.rope_theta)
    experts = [(UND, ~gen), (GEN, gen)] if gen.any() else [(UND, ~gen)]
    joined = []

    def each(layer_name: str, module: object, x: Tensor, size: int) -> Tensor:
        out = x.new_zeros(len(x), size)
        for expert, mine in experts:
            out[mine] = getattr(module, layer_name + expert)(x[mine])
        return out

    for layer, (past_keys, past_values) in zip(language.model.layers, cache, strict=True):
        attn, width = layer.self_attn, config.hidden_size
        x = each("input_layernorm", layer, rows, width)
        shape = (len(rows), -1, config.head_dim)
        kv_size = config.num_kv_heads * config.head_dim
        q = each("q_proj", attn, x, width).view(shape)
        k, v = (each(name, attn, x, kv_size).view(shape) for name in ("k_proj", "v_proj"))
        normed = []
        for name, heads in (("q_norm", q), ("k_norm", k)):
            out = torch.zeros_like(heads)
            for expert, mine in experts:
                out[mine] = getattr(attn, name + expert)(heads[mine])
            normed.append(_rotated(out, *angles).to(v.dtype))
        q, k = normed
        keys = torch.cat([past_keys, k.transpose(0, 1)[None]], dim=2)
        values = torch.cat([past_values, v.transpose(0, 1)[None]], dim=2)
        joined.append((keys, values))
        repeats = config.num_heads // config.num_kv_heads
        mixed = F.scaled_dot_product_attention(
            q.transpose(0, 1)[None],
            keys.repeat_interleave(repeats, dim=1),
            values.repeat_interleave(repeats, dim=1),
        )
        rows = rows + each("o_proj", attn, mixed[0].transpose(0, 1).flatten(1), width)
        rows = rows + each("mlp", layer, each("post_attention_layernorm", layer, rows, width), width)
    return each("norm", language.model, rows, config.hidden_size), joined


def _angles(positions: Tensor, size: int, theta: float) -> tuple[Tensor, Tensor]:
    rates = theta ** (-torch.arange(0, size, 2, device=positions.device, dtype=torch.float32) / size)
    angles = torch.cat([positions.float()[:, None] * rates] * 2, dim=-1)[:, None]
    return angles.cos(), angles.sin()


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.float().chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


@torch.inference_mode()
def draw(
    model: Bagel,
    tokens: SpecialTokens,
    noise: Tensor,
    grid: tuple[int, int],
    contexts: Sequence[Context],
    guidance: Guidance,
    timesteps: int,
    shift: float,
) -> Tensor:
    """Latents [n, C] after all updates, guided at every one; contexts are the condition and the text-free."""
    times, x = schedule(timesteps, shift), noise.to(model.device, torch.float32)
    caches = [copied(model, context) for context in contexts]
    ids = model.grid(*grid, model.config.latent_side).to(model.device)
    ends = torch.tensor([tokens.start_of_image, tokens.end_of_image], device=model.device)
    gen = torch.ones(len(x) + 2, dtype=torch.bool, device=model.device)
    gen[0] = gen[-1] = False
    for i in range(timesteps - 1):
        found = []
        for context, cache in zip(contexts, caches, strict=True):
            markers = model.embed_text(ends)
            latents = model.embed_latents(x, times[i : i + 1].to(x.device), ids).to(markers.dtype)
            rows = torch.cat([markers[:1], latents, markers[1:]])
            positions = torch.full((len(rows),), context.rope, device=x.device)
            states, _ = forward(model, rows, gen, positions, cache)
            found.append(model.velocity(states[1:-1]).float())
        conditioned, text_free = found
        x = x - guidance.combine(conditioned, text_free, None) * (times[i] - times[i + 1]).item()
    return x


@torch.inference_mode()
def write(model: Bagel, tokens: SpecialTokens, context: Context, count: int) -> list[int]:
    """``count`` greedy tokens, whatever they are."""
    cache, token = copied(model, context), tokens.bos
    written: list[int] = []
    for number in range(count):
        rows = model.embed_text(torch.tensor([token], device=model.device))
        position = torch.tensor([context.rope + number], device=model.device)
        none = torch.zeros(1, dtype=torch.bool, device=model.device)
        states, cache = forward(model, rows, none, position, cache)
        token = int(model.language_model.logits(states)[0].argmax())
        written.append(token)
    return written
