"""The vision encoder: SigLIP over images of any size, packed one after another, and its connector.

Takes flat pixel patches; resizing and normalising pictures is ``engine.inference.preprocess``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.model.config import VisionConfig


class VisionAttention(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Bidirectional attention inside each image; x [N, D] holds the images one after another."""
        q, k, v = (m(x).unflatten(-1, (self.num_heads, -1)) for m in (self.q_proj, self.k_proj, self.v_proj))
        if len(set(lengths)) == 1:
            batched = (t.unflatten(0, (len(lengths), -1)).transpose(1, 2) for t in (q, k, v))
            mixed = F.scaled_dot_product_attention(*batched).transpose(1, 2).flatten(0, 1)
        else:
            images = zip(*(t.transpose(0, 1).split(list(lengths), dim=1) for t in (q, k, v)), strict=True)
            mixed = torch.cat(
                [F.scaled_dot_product_attention(*(t[None] for t in image))[0] for image in images], dim=1
            ).transpose(0, 1)
        return self.out_proj(mixed.flatten(1))


class VisionMLP(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class VisionLayer(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.self_attn = VisionAttention(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = VisionMLP(config)

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x), lengths)
        return x + self.mlp(self.layer_norm2(x))


class VisionEmbeddings(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.patch_embedding = nn.Linear(3 * config.patch_size**2, config.hidden_size)
        self.position_embedding = nn.Embedding(config.positions, config.hidden_size)

    def forward(self, patches: Tensor, position_ids: Tensor) -> Tensor:
        patches = patches.to(self.patch_embedding.weight.dtype)
        return self.patch_embedding(patches) + self.position_embedding(position_ids)


class VisionEncoder(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(VisionLayer(config) for _ in range(config.num_layers))

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        for layer in self.layers:
            x = layer(x, lengths)
        return x


class VisionTransformer(nn.Module):
    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.embeddings = VisionEmbeddings(config)
        self.encoder = VisionEncoder(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, patches: Tensor, position_ids: Tensor, lengths: Sequence[int]) -> Tensor:
        return self.post_layernorm(self.encoder(self.embeddings(patches, position_ids), lengths))


class VisionModel(nn.Module):
    """The vision encoder under its public name."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.vision_model = VisionTransformer(config)

    def forward(self, patches: Tensor, position_ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Patches [N, p*p*3] of images of ``lengths`` tokens -> features [N, Dv]."""
        return self.vision_model(patches, position_ids, lengths)


class Connector(nn.Module):
    """Vision features [N, Dv] -> language space [N, D]."""

    def __init__(self, vision_hidden: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(vision_hidden, hidden)
        self.fc2 = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
