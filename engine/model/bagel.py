"""The unified model: how a token of each kind goes in and comes out.

Contexts, guidance and sampling live in ``engine.inference``; packing samples in
``engine.lab.training.packing``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.model.attention import PackedAttention
from engine.model.config import BagelConfig
from engine.model.embeddings import PositionTable, TimeEmbedder
from engine.model.language import GEN, UND, LanguageModel
from engine.model.patches import grid_positions, interpolated_positions
from engine.model.vision import Connector, VisionModel


class Packed(Protocol):
    """What :meth:`Bagel.forward_packed` reads of a training batch (``engine.lab.training.packing``)."""

    text_ids: Tensor
    vit_patches: Tensor
    vit_position_ids: Tensor
    vit_lengths: Sequence[int]
    noised: Tensor
    latent_position_ids: Tensor
    timesteps: Tensor
    row_positions: Tensor
    row_of: Tensor
    gather: Tensor
    scatter: Tensor
    mask: Tensor


class Bagel(nn.Module):
    """Language model with two experts, vision encoder, connector, and the projections of the flow."""

    def __init__(self, config: BagelConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.language.hidden_size
        self.language_model = LanguageModel(config.language)
        self.time_embedder = TimeEmbedder(config.time_frequencies, hidden)
        self.vae2llm = nn.Linear(config.latent_values, hidden)
        self.llm2vae = nn.Linear(hidden, config.latent_values)
        self.latent_pos_embed = PositionTable(config.latent_side, hidden)
        self.vit_pos_embed = PositionTable(config.vit_side, hidden)
        self.connector = Connector(config.vision.hidden_size, hidden)
        self.vit_model = VisionModel(config.vision)

    @classmethod
    def random(cls, config: BagelConfig, seed: int) -> Bagel:
        """A model to train from scratch; the same seed gives the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = cls(config)
            model.initialise_()
        return model

    @torch.no_grad()
    def initialise_(self) -> None:
        """Fan-in scaled weights, residual outputs shrunk by depth, and a velocity head that starts at 0."""
        depth = {"o_proj": self.config.language.num_layers, "down_proj": self.config.language.num_layers}
        depth |= {"out_proj": self.config.vision.num_layers, "fc2": self.config.vision.num_layers}
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                shrink = math.sqrt(2 * depth.get(name.split(".")[-1].removesuffix(GEN), 0.5))
                module.weight.normal_(std=1 / (math.sqrt(module.in_features) * shrink))
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(std=0.5)
        self.language_model.lm_head.weight.normal_(std=1 / math.sqrt(self.config.language.hidden_size))
        self.llm2vae.weight.zero_()

    @property
    def device(self) -> torch.device:
        return self.llm2vae.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.llm2vae.weight.dtype

    def grid(self, rows: int, columns: int, side: int) -> Tensor:
        """Position ids of a rows x columns image in a table of ``side``, as this checkpoint numbers them."""
        numbered = interpolated_positions if self.config.interpolate_positions else grid_positions
        return numbered(rows, columns, side)

    def embed_text(self, ids: Tensor) -> Tensor:
        """Token ids [N] -> [N, D]."""
        return self.language_model.model.embed_tokens(ids)

    def embed_vision(self, patches: Tensor, position_ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Pixel patches [N, p*p*3] of images of ``lengths`` tokens -> [N, D]."""
        features = self.vit_model(patches, position_ids, lengths)
        return self.connector(features) + self.vit_pos_embed(position_ids)

    def embed_latents(self, x: Tensor, timesteps: Tensor, position_ids: Tensor) -> Tensor:
        """Latent tokens [N, p*p*z] at flow times [N] (or [1]) -> [N, D]; a clean image has time 0."""
        time = self.time_embedder(timesteps)
        return self.vae2llm(x.to(self.dtype)) + time + self.latent_pos_embed(position_ids)

    def velocity(self, hidden: Tensor) -> Tensor:
        """Final-normed hidden of latent tokens [N, D] -> velocity [N, p*p*z]."""
        return self.llm2vae(hidden)

    def forward_packed(self, batch: Packed) -> Tensor:
        """A packed training batch -> final-normed hidden states [T, D] in packed order."""
        und = self.embed_text(batch.text_ids)
        if len(batch.vit_patches):
            patches = self.embed_vision(batch.vit_patches, batch.vit_position_ids, batch.vit_lengths)
            und = torch.cat([und, patches.to(und.dtype)])
        und_positions, gen_positions = batch.row_positions.split([len(und), len(batch.noised)])
        groups = [self.language_model.expert_rows(UND, und, und_positions)]
        if len(batch.noised):
            latents = self.embed_latents(batch.noised, batch.timesteps, batch.latent_position_ids)
            groups.append(self.language_model.expert_rows(GEN, latents.to(und.dtype), gen_positions))
        hidden = self.language_model(groups, PackedAttention(batch.gather, batch.scatter, batch.mask))
        return torch.cat(hidden).index_select(0, batch.row_of)

    forward = forward_packed
