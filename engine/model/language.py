"""The language model: Qwen2 blocks whose every weight exists twice, for understanding and generation.

Module names spell the public tensor names. Attention is passed in (``engine.model.attention``), so the
same blocks serve training, prefilling, decoding and denoising.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.attention import QKV
from engine.model.config import LanguageConfig
from engine.model.embeddings import rotary, rotate

UND = ""
GEN = "_moe_gen"

Attend = Callable[[int, Sequence[QKV]], Sequence[Tensor]]


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in float32 whatever comes in."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), x.shape[-1:], self.weight.float(), self.eps).to(x.dtype)


@dataclass
class ExpertRows:
    """Rows for one expert: hidden states [T, D] and the rotary (cos, signed sin) of their positions."""

    expert: str
    hidden: Tensor
    cos: Tensor
    sin: Tensor


class SelfAttention(nn.Module):
    """Projections, per-head norms and rotation of both experts."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        hidden, queries = config.hidden_size, config.num_heads * config.head_dim
        keys = config.num_kv_heads * config.head_dim
        for suffix in (UND, GEN):
            self.add_module("q_proj" + suffix, nn.Linear(hidden, queries))
            self.add_module("k_proj" + suffix, nn.Linear(hidden, keys))
            self.add_module("v_proj" + suffix, nn.Linear(hidden, keys))
            self.add_module("o_proj" + suffix, nn.Linear(queries, hidden, bias=False))
            self.add_module("q_norm" + suffix, RMSNorm(config.head_dim, config.rms_norm_eps))
            self.add_module("k_norm" + suffix, RMSNorm(config.head_dim, config.rms_norm_eps))

    def qkv(self, rows: ExpertRows, x: Tensor) -> QKV:
        """Normed hidden rows -> rotated queries and keys, and values; norm and rotation in float32."""
        shape, layer = (len(x), -1, self.head_dim), lambda name: getattr(self, name + rows.expert)
        v = layer("v_proj")(x).view(shape)
        q = layer("q_norm")(layer("q_proj")(x).view(shape).float())
        k = layer("k_norm")(layer("k_proj")(x).view(shape).float())
        q, k = (rotate(t, rows.cos, rows.sin).to(v.dtype) for t in (q, k))
        return q, k, v


MLP_ROWS = 2048
"""Rows that go through an MLP at once without gradients: between its layers they are five times as wide."""


class MLP(nn.Module):
    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or len(x) <= MLP_ROWS:
            return self._rows(x)
        return torch.cat([self._rows(rows) for rows in x.split(MLP_ROWS)])

    def _rows(self, x: Tensor) -> Tensor:
        gate = F.silu(self.gate_proj(x))
        up = self.up_proj(x)
        return self.down_proj(gate * up if torch.is_grad_enabled() else gate.mul_(up))


class DecoderLayer(nn.Module):
    def __init__(self, config: LanguageConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.self_attn = SelfAttention(config)
        for suffix in (UND, GEN):
            self.add_module("mlp" + suffix, MLP(config))
            for name in ("input_layernorm", "post_attention_layernorm"):
                self.add_module(name + suffix, RMSNorm(config.hidden_size, config.rms_norm_eps))

    def forward(self, groups: list[ExpertRows], attend: Attend) -> list[Tensor]:
        """One block over all groups; returns their new hidden rows."""

        def layer(name: str, group: ExpertRows) -> nn.Module:
            return getattr(self, name + group.expert)

        qkv = [self.self_attn.qkv(g, layer("input_layernorm", g)(g.hidden)) for g in groups]
        outputs = []
        for group, mixed in zip(groups, attend(self.index, qkv), strict=True):
            x = group.hidden + getattr(self.self_attn, "o_proj" + group.expert)(mixed)
            outputs.append(x + layer("mlp", group)(layer("post_attention_layernorm", group)(x)))
        return outputs


class LanguageDecoder(nn.Module):
    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, i) for i in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.norm_moe_gen = RMSNorm(config.hidden_size, config.rms_norm_eps)


class LanguageModel(nn.Module):
    """Embeddings, blocks, final norms and the LM head."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.model = LanguageDecoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def expert_rows(self, expert: str, hidden: Tensor, positions: Tensor) -> ExpertRows:
        """Rows for :meth:`forward`: hidden [T, D] at rotary positions [T]."""
        return ExpertRows(expert, hidden, *rotary(positions, self.config.head_dim, self.config.rope_theta))

    def blocks(self, groups: list[ExpertRows], attend: Attend) -> list[ExpertRows]:
        """Runs every block; the groups with their hidden rows [T, D] before the final norm."""
        for layer in self.model.layers:
            hidden = layer(groups, attend)
            groups = [ExpertRows(g.expert, h, g.cos, g.sin) for g, h in zip(groups, hidden, strict=True)]
        return groups

    def norm(self, expert: str, hidden: Tensor) -> Tensor:
        """An expert's final norm."""
        return getattr(self.model, "norm" + expert)(hidden)

    def forward(self, groups: list[ExpertRows], attend: Attend) -> list[Tensor]:
        """Runs every block; returns each group's hidden rows [T, D] after its expert's final norm."""
        return [self.norm(group.expert, group.hidden) for group in self.blocks(groups, attend)]

    def logits(self, hidden: Tensor) -> Tensor:
        """Final-normed hidden rows [T, D] -> float32 logits [T, vocabulary]."""
        return self.lm_head(hidden).float()
