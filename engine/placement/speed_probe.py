"""How long a picture takes on this device: a moment's measurement, scaled up. Nothing is drawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from engine.checkpoints.precision import compute_dtype
from engine.checkpoints.quantise.base import ROWS, QuantisedLinear
from engine.checkpoints.quantise.convert import FORMATS, convert
from engine.checkpoints.tokenizer import SpecialTokens
from engine.checkpoints.validated_folder import ValidatedFolder
from engine.core.settings import Settings
from engine.inference.flow import Guidance, sample
from engine.inference.prefill import Context, TextTokens, prefill
from engine.model.autoencoder import Autoencoder
from engine.model.bagel import Bagel
from engine.placement.profiles import Profile

LAYERS = 2
"""Of the random stand-in that is measured; its time is scaled up to the real number."""

WORDS = 512
"""Rows of the stand-in's vocabulary."""

TIMED = 3
"""Updates that are timed; the quickest counts, since nothing makes one quicker than it is."""

FEW = 256
"""Latent tokens that a processor is asked to draw for the measurement."""


def seconds_per_picture(
    model: Bagel,
    autoencoder: Autoencoder,
    tokens: SpecialTokens,
    settings: Settings,
    size: tuple[int, int],
    *,
    layers: int | None = None,
    sequential_guidance: bool = False,
) -> float:
    """Seconds for a picture of (height, width) ``size`` with guidance on every update, by a few updates.

    ``layers`` is how many the real model has, if ``model`` is a stand-in for it; ``sequential_guidance`` runs guidance
    branches as they will run. Processors draw a small
    picture and are assumed to take as much longer as the real one has more tokens.
    """
    unit = model.config.latent_downsample
    rows, columns = (side // unit for side in size)
    wanted = rows * columns
    while model.device.type == "cpu" and rows * columns > FEW:
        rows, columns = max(1, rows // 2), max(1, columns // 2)
    prompt = Context((prefill(model, tokens, Context(), TextTokens((1, 2, 3))),))
    updates = sample(
        model,
        tokens,
        torch.zeros(rows * columns, model.config.latent_values),
        (rows, columns),
        prompt,
        text_free=Context(),
        image_free=prompt,
        guidance=Guidance(4.0, 1.0, -1.0, 1.0),
        timesteps=TIMED + 2,
        shift=1.0,
        sequential_guidance=sequential_guidance,
    )
    next(updates)  # settles libraries and allocator
    an_update = min(_timed(lambda: next(updates), model.device) for _ in range(TIMED))
    decoder = next(autoencoder.parameters())
    latent = torch.zeros(
        1,
        autoencoder.config.z_channels,
        *(side * model.config.latent_patch for side in (rows, columns)),
        dtype=decoder.dtype,
        device=decoder.device,
    )
    with torch.inference_mode():
        if decoder.device.type != "cpu":
            autoencoder.decode(latent)  # a card first looks for the quickest way
            _timed(lambda: None, decoder.device)
        decoding = _timed(lambda: autoencoder.decode(latent), decoder.device)
    deeper = (layers or model.config.language.num_layers) / model.config.language.num_layers
    return (an_update * deeper * (settings.timesteps - 1) + decoding) * wanted / (rows * columns)


def stand_in(
    opened: ValidatedFolder, profile: Profile, device: str
) -> tuple[Bagel, Autoencoder, SpecialTokens]:
    """A model of few layers and words, with the real widths and precision and random weights."""
    config = opened.config
    small = replace(
        opened,
        config=replace(
            config,
            language=replace(config.language, num_layers=LAYERS, vocab_size=WORDS),
            vision=replace(config.vision, num_layers=1),
        ),
    )
    model, autoencoder = small.on_meta(profile.tile)
    dtype = compute_dtype(profile.precision, device)
    if profile.precision in FORMATS:
        convert(model, profile.precision, head=False)
    whole = torch.float32 if torch.device(device).type == "cpu" else dtype
    return _random(model, device, dtype), _random(autoencoder, device, whole), SpecialTokens(0, 1, 2, 3)


def _random(module: nn.Module, device: str, dtype: torch.dtype) -> nn.Module:
    """Fills a module on the meta device with small random weights."""
    for part in module.modules():
        if isinstance(part, QuantisedLinear):
            part.allocate(device, dtype)
            for first in range(0, part.out_features, 64 * ROWS):
                rows = min(64 * ROWS, part.out_features - first)
                part.take(first, torch.randn(rows, part.in_features, dtype=dtype, device=device) * 0.02)
            part.finish()
            if part.bias is not None:
                part.bias.zero_()
            continue
        for name, value in [*part._parameters.items(), *part._buffers.items()]:
            if value is not None and value.is_meta:
                made = torch.randn(value.shape, dtype=dtype, device=device) * 0.02
                if name in part._parameters:
                    part._parameters[name] = nn.Parameter(made, requires_grad=False)
                else:
                    part._buffers[name] = made
    return module.eval()


def _timed(call: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
