"""Models to measure with: random weights of stated sizes. Speed and memory don't depend on the values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from engine.checkpoints.quantise.base import QuantisedLinear
from engine.checkpoints.writer import save_checkpoint
from engine.core.assets import default_checkpoint
from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig

MIDSIZE = BagelConfig(
    LanguageConfig(
        hidden_size=512,
        num_layers=8,
        num_heads=8,
        num_kv_heads=2,
        intermediate_size=2048,
        vocab_size=1024,
        tie_word_embeddings=False,
    ),
    VisionConfig(hidden_size=256, num_layers=3, num_heads=4, intermediate_size=1024),
)
"""71 M weights, 62 M of them in the language model's two experts."""
MIDSIZE_AUTOENCODER = AutoencoderConfig(ch=64)

BAGEL_7B_AUTOENCODER = AutoencoderConfig()

PIECE = 4096
"""Rows of a quantised layer that are made at once."""


@contextmanager
def midsize(folder: Path | None) -> Iterator[Path]:
    """The given folder, or a mid-size random checkpoint in one that goes away again."""
    if folder:
        yield folder
        return
    with TemporaryDirectory() as made, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, autoencoder = Bagel.random(MIDSIZE, 0), Autoencoder(MIDSIZE_AUTOENCODER)
        model.llm2vae.weight.data.normal_(std=0.02)  # at 0 everything would agree
        yield save_checkpoint(made, model, autoencoder, default_checkpoint(), dtype=torch.float32)


def random_model(
    config: BagelConfig,
    autoencoder: AutoencoderConfig,
    device: str,
    precision: str = "bf16",
    *,
    head: bool = False,
    embeddings_on_host: bool = False,
    tile: int | None = None,
) -> tuple[Bagel, Autoencoder]:
    """A model made on the device in its final precision, ready to run; the options are a profile's."""
    with torch.device("meta"):
        model = Bagel(config)
        if tile is None:
            decoder = Autoencoder(autoencoder)
        else:
            from engine.model.tiles import TiledAutoencoder

            decoder = TiledAutoencoder(autoencoder, tile)
        if embeddings_on_host:
            from engine.model.host_embedding import HostEmbedding

            words = HostEmbedding(config.language.vocab_size, config.language.hidden_size)
            model.language_model.model.embed_tokens = words
    if precision != "bf16":
        from engine.checkpoints.quantise.convert import convert

        convert(model, precision, head=head)
    if embeddings_on_host:
        fill_(model.language_model.model.embed_tokens, "cpu", torch.bfloat16)
    fill_(model, device, torch.bfloat16)
    fill_(decoder, device, torch.bfloat16)
    return model.eval(), decoder.eval()


@torch.no_grad()
def fill_(module: nn.Module, device: str, dtype: torch.dtype) -> None:
    """Makes what lies on the meta device real: small random numbers, tensor by tensor."""
    generator = torch.Generator(device).manual_seed(0)
    for owner in module.modules():
        if isinstance(owner, QuantisedLinear):  # it wants its weights by rows
            owner.allocate(device, dtype)
            for first in range(0, owner.out_features, PIECE):
                rows = min(PIECE, owner.out_features - first)
                piece = torch.empty(rows, owner.in_features, dtype=dtype, device=device)
                owner.take(first, piece.normal_(std=0.02, generator=generator))
            owner.finish()
            if owner.bias is not None:
                owner.bias.zero_()
            continue
        for name, value in [*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)]:
            if not value.is_meta:
                continue
            made = torch.empty(value.shape, dtype=dtype, device=device)
            if made.dim() > 1:
                made.normal_(std=0.02, generator=generator)
            else:
                made.fill_(float("norm" in type(owner).__name__.lower()))  # scales are 1, biases 0
            if name in owner._parameters:
                owner._parameters[name] = nn.Parameter(made, requires_grad=False)
            else:
                owner._buffers[name] = made
