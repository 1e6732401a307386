"""Trains the autoencoder on rendered storybook scenes.

The layout is FLUX's (bagel-format: a convolutional encoder and decoder, group norms); two things
are ours, because the latents must be easy for a small flow model:

- the latent is normalised per channel by running statistics while training, and the normalisation is
  folded into the encoder's last convolution afterwards, so that ``scale * (mean - shift)`` has zero mean
  and unit variance in every channel;
- the posterior has one fixed standard deviation (``NOISE`` in latent units) instead of a learned one:
  the decoder learns to forgive small errors of the flow model, and no KL weight has to be tuned.

It starts on small crops, which give many cheap steps, and ends on whole pictures.
"""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from tqdm import tqdm

from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from engine.training.group_norm import write_out_group_norms
from engine.training.optimiser import ConvolutionMuon, rate_factor
from engine.training.precision import fast_precision
from engine.training.state import load_state, save_state
from engine.world.render import render
from engine.world.sampling import sample_scene

CONFIG = AutoencoderConfig(ch=32, ch_mult=(1, 1, 2, 4, 4), num_res_blocks=1, z_channels=16, norm_groups=8)
NOISE = 0.12
MUON_RATE, ADAM_RATE = 3e-3, 1e-3


def picture_pool(count: int, seed: int) -> torch.Tensor:
    """``count`` rendered scenes as uint8 ``[count, 256, 256, 3]``."""
    rng = random.Random(seed)
    return torch.from_numpy(np.stack([np.asarray(render(sample_scene(rng))) for _ in range(count)]))


def to_pixels(batch: torch.Tensor) -> torch.Tensor:
    """uint8 ``[b, h, w, 3]`` to float ``[b, 3, h, w]`` in [-1, 1], channels last in memory."""
    pixels = batch.permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return pixels.contiguous(memory_format=torch.channels_last)


def sample_crops(pool: torch.Tensor, count: int, size: int, rng: random.Random) -> torch.Tensor:
    """Random crops of random pictures, left-right flipped half of the time."""
    crops = []
    for _ in range(count):
        picture = pool[rng.randrange(len(pool))]
        top, left = (rng.randrange(0, 256 - size + 1, 16) for _ in range(2))
        crop = picture[top : top + size, left : left + size]
        crops.append(crop.flip(1) if rng.random() < 0.5 else crop)
    return to_pixels(torch.stack(crops))


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of the pixels and, for crisp edges, of their differences to the next pixel."""
    edges = sum((output.diff(dim=axis) - target.diff(dim=axis)).abs().mean() for axis in (2, 3))
    return (output - target).abs().mean() + edges + 0.5 * (output - target).square().mean()


class LatentNorm(nn.Module):
    """Per-channel running normalisation of the encoder's mean, folded away after training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False, momentum=0.02)

    def forward(self, mean: torch.Tensor) -> torch.Tensor:
        return self.norm(mean.float())

    @torch.no_grad()
    def fold_into(self, model: Autoencoder) -> None:
        """Rewrites the encoder's last layer so that its mean needs no further normalisation."""
        config, last = model.config, model.encoder.conv_out
        z = config.z_channels
        spread = config.scale_factor * (self.norm.running_var + self.norm.eps).sqrt()
        last.weight[:z] /= spread[:, None, None, None]
        last.bias[:z] = (last.bias[:z] - self.norm.running_mean) / spread + config.shift_factor
        last.weight[z:] = 0
        last.bias[z:] = 2 * math.log(NOISE / config.scale_factor)


def reconstruct(model: Autoencoder, norm: LatentNorm, pixels: torch.Tensor, noise: float) -> torch.Tensor:
    """Pixels to latents (with posterior noise) and back, as the training sees it."""
    config = model.config
    mean = model.encoder(pixels)[:, : config.z_channels]
    latent = norm(mean)
    latent = latent + noise * torch.randn_like(latent)
    return model.decoder(latent / config.scale_factor + config.shift_factor)


@torch.no_grad()
def psnr(model: Autoencoder, norm: LatentNorm, pixels: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB over whole pictures in [-1, 1], without posterior noise."""
    norm.eval()
    with fast_precision(pixels.device.type):
        output = reconstruct(model, norm, pixels, 0.0).float().clamp(-1, 1)
    norm.train()
    return (10 * torch.log10(4 / (output - pixels).square().mean())).item()


def crop_size(progress: float) -> tuple[int, int]:
    """(pixels a side, crops a batch) at ``progress`` in [0, 1]: small and many first, whole pictures last."""
    if progress < 0.5:
        return 64, 16
    return (128, 8) if progress < 0.8 else (256, 3)


def build_optimisers(model: Autoencoder) -> tuple[ConvolutionMuon, torch.optim.AdamW]:
    """Muon for the wide convolutions, AdamW for the rest."""
    kernels = [p for p in model.parameters() if p.ndim == 4 and min(p.shape[:2]) >= 16]
    wide = {id(kernel) for kernel in kernels}
    rest = [p for p in model.parameters() if id(p) not in wide]
    return ConvolutionMuon(kernels, MUON_RATE), torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.99))


def train(work: Path, *, steps: int, device: str, seed: int = 0, pool: int = 3000) -> Path:
    """Trains for ``steps`` steps (those of earlier runs in ``work`` count), returns the weights' path.

    Resumes from ``work/autoencoder.state.safetensors``. Writes ``work/ae.safetensors`` (folded) and
    ``work/autoencoder.json`` (the curve and the held-out PSNR).
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = Autoencoder(CONFIG).to(device, memory_format=torch.channels_last)
    if device == "cpu":
        write_out_group_norms(model)
    norm = LatentNorm(CONFIG.z_channels).to(device)
    muon, adam = build_optimisers(model)
    state_path, log_path = work / "autoencoder.state.safetensors", work / "autoencoder.json"
    spent, done, curve = 0.0, 0, []
    modules, optimisers = {"model": model, "norm": norm}, [muon.inner, adam]
    if state_path.exists():
        load_state(state_path, modules, optimisers)
        log = json.loads(log_path.read_text())
        spent, done, curve = log["seconds"], log["steps"], log["curve"]
    pictures, held_out = picture_pool(pool, seed + 1), to_pixels(picture_pool(16, seed + 2)).to(device)
    started = last_save = time.monotonic()
    bar = tqdm(total=steps, initial=done, desc="autoencoder")
    while done < steps:
        progress = done / steps
        # Crops and posterior noise of a step come from its own number, so that a resumed run goes on exactly.
        rng = random.Random(f"{seed}-{done}")
        torch.manual_seed(rng.getrandbits(48))
        factor = min(1, (done + 1) / 30) * rate_factor(progress, warm=0.0)
        for optimiser, peak in ((muon.inner, MUON_RATE), (adam, ADAM_RATE)):
            for group in optimiser.param_groups:
                group["lr"] = peak * factor
        size, count = crop_size(progress)
        pixels = sample_crops(pictures, count, size, rng).to(device)
        with fast_precision(device):
            output = reconstruct(model, norm, pixels, NOISE)
        loss = reconstruction_loss(output.float(), pixels)
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        muon.step()
        adam.step()
        done += 1
        bar.update()
        if done % 25 == 0:
            bar.set_postfix(loss=f"{loss.item():.4f}")
        if time.monotonic() - last_save > 90 or done == steps:
            last_save = time.monotonic()
            elapsed = spent + time.monotonic() - started
            quality = psnr(model, norm, held_out)
            curve.append({"seconds": round(elapsed), "steps": done, "loss": loss.item(), "psnr": quality})
            save_state(state_path, modules, optimisers)
            log_path.write_text(json.dumps({"seconds": elapsed, "steps": done, "curve": curve}, indent=1))
            tqdm.write(f"{curve[-1]}")
    bar.close()
    norm.fold_into(model)
    target = work / "ae.safetensors"
    save_file({k: v.contiguous().cpu() for k, v in model.state_dict().items()}, target)
    return target
