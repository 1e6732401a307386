"""The speed probe: measures for a moment how long a picture will take on this device. Draws no picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

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
"""Layers of the random stand-in that is timed; the time is scaled up to the real number."""

VOCABULARY = 512
"""Rows of the stand-in's vocabulary."""

TIMED_UPDATES = 3
"""The quickest of them counts: noise on a machine only ever makes an update slower."""

CPU_TOKENS = 256
"""Latent tokens that a CPU draws at most for the measurement."""

Module = TypeVar("Module", bound=nn.Module)


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
    """Seconds for a picture of (height, width) ``size``, guided at every update, measured by a few updates.

    ``layers`` is how many the real model has, if ``model`` is a stand-in for it. ``sequential_guidance`` is
    as the picture will be drawn. CPUs draw a small picture and are assumed to take as much longer for the
    real one as it has more tokens.
    """
    unit = model.config.latent_downsample
    rows, columns = (side // unit for side in size)
    wanted = rows * columns
    while model.device.type == "cpu" and rows * columns > CPU_TOKENS:
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
        timesteps=TIMED_UPDATES + 2,
        shift=1.0,
        sequential_guidance=sequential_guidance,
    )
    next(updates)  # warms up libraries and allocator
    update_seconds = min(_timed(lambda: next(updates), model.device) for _ in range(TIMED_UPDATES))
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
            autoencoder.decode(latent)  # a GPU first looks for its fastest kernels
            _timed(lambda: None, decoder.device)
        decoding = _timed(lambda: autoencoder.decode(latent), decoder.device)
    deeper = (layers or model.config.language.num_layers) / model.config.language.num_layers
    return (update_seconds * deeper * (settings.timesteps - 1) + decoding) * wanted / (rows * columns)


def stand_in(
    folder: ValidatedFolder, profile: Profile, device: str
) -> tuple[Bagel, Autoencoder, SpecialTokens]:
    """A model with few layers and a small vocabulary, in the real widths and precision, of random weights."""
    config = folder.config
    small = replace(
        folder,
        config=replace(
            config,
            language=replace(config.language, num_layers=LAYERS, vocab_size=VOCABULARY),
            vision=replace(config.vision, num_layers=1),
        ),
    )
    model, autoencoder = small.on_meta(profile.tile)
    dtype = compute_dtype(profile.precision, device)
    if profile.precision in FORMATS:
        convert(model, profile.precision, head=False)
    autoencoder_dtype = torch.float32 if torch.device(device).type == "cpu" else dtype
    return (
        _random(model, device, dtype),
        _random(autoencoder, device, autoencoder_dtype),
        SpecialTokens(0, 1, 2, 3),
    )


def _random(module: Module, device: str, dtype: torch.dtype) -> Module:
    """Fills a module on the meta device with small random weights."""
    for layer in module.modules():
        if isinstance(layer, QuantisedLinear):
            layer.allocate(device, dtype)
            for first in range(0, layer.out_features, 64 * ROWS):
                rows = min(64 * ROWS, layer.out_features - first)
                layer.take(first, torch.randn(rows, layer.in_features, dtype=dtype, device=device) * 0.02)
            layer.finish()
            if layer.bias is not None:
                layer.bias.zero_()
            continue
        for name, value in [*layer._parameters.items(), *layer._buffers.items()]:
            if value is not None and value.is_meta:
                made = torch.randn(value.shape, dtype=dtype, device=device) * 0.02
                if name in layer._parameters:
                    layer._parameters[name] = nn.Parameter(made, requires_grad=False)
                else:
                    layer._buffers[name] = made
    return module.eval()


def _timed(call: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
