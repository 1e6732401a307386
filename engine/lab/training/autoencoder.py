"""Trains the autoencoder on rendered storybook scenes.

The layout is FLUX's (a convolutional encoder and decoder, group norms); two things
are ours, because the latents must be easy for a small flow model:

- the latent is normalised per channel by running statistics while training, and the normalisation is
  folded into the encoder's last convolution afterwards, so that ``scale * (mean - shift)`` has zero mean
  and unit variance in every channel;
- the posterior has one fixed standard deviation (``NOISE`` in latent units) instead of a learned one:
  the decoder learns to forgive small errors of the flow model, and no KL weight has to be tuned.

It starts on small crops, which give many cheap steps, and ends on whole pictures. Later on the decoder
alone can be trained further, for crisper pictures from the same latents.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer
from tqdm import tqdm

from engine.core.atomic_write import atomic_path
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.split import sample_held_out_scene, sample_training_scene
from engine.lab.training.group_norm import write_out_group_norms
from engine.lab.training.metrics import psnr, reconstruction_loss, ssim
from engine.lab.training.optimiser import ConvolutionMuon, rate_factor, set_rates
from engine.lab.training.precision import fast_precision
from engine.lab.training.state import load_state, read_log, save_state
from engine.model.autoencoder import Autoencoder, AutoencoderConfig

CONFIG = AutoencoderConfig(ch=32, ch_mult=(1, 1, 2, 4, 4), num_res_blocks=1, z_channels=16, norm_groups=8)
NOISE = 0.12
HELD_OUT = 16
"""Pictures that PSNR and SSIM are measured on, of scenes that no training shows."""


def busy_scene(rng: random.Random) -> Scene:
    """The fullest of three scenes: empty places are soon learned, the edges of things are not."""
    return max((sample_training_scene(rng) for _ in range(3)), key=lambda scene: len(scene.things))


def picture_pool(
    count: int, seed: int, sample: Callable[[random.Random], Scene] = busy_scene
) -> torch.Tensor:
    """``count`` rendered scenes as uint8 ``[count, 256, 256, 3]``."""
    rng = random.Random(seed)
    return torch.from_numpy(np.stack([np.asarray(render(sample(rng))) for _ in range(count)]))


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
        middle, variance = self.norm.running_mean, self.norm.running_var
        assert middle is not None and variance is not None and last.bias is not None
        spread = config.scale_factor * torch.sqrt(variance + self.norm.eps)
        last.weight[:z] /= spread[:, None, None, None]
        last.bias[:z] = (last.bias[:z] - middle) / spread + config.shift_factor
        last.weight[z:] = 0
        last.bias[z:] = 2 * math.log(NOISE / config.scale_factor)


def crop_size(progress: float) -> tuple[int, int]:
    """(pixels a side, crops a batch) at ``progress`` in [0, 1]: small and many first, whole pictures last."""
    if progress < 0.5:
        return 64, 16
    return (128, 8) if progress < 0.8 else (256, 3)


class Whole(nn.Module):
    """A fresh autoencoder in training, all of it. Fields and methods are what :func:`fit` asks for."""

    name = "autoencoder"
    peaks = (3e-3, 1e-3)
    """Peak rates of Muon and AdamW."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Autoencoder(CONFIG)
        self.norm = LatentNorm(CONFIG.z_channels)

    @property
    def trained(self) -> nn.Module:
        return self.model

    def crops(self, progress: float) -> tuple[int, int]:
        return crop_size(progress)

    def forward(self, pixels: torch.Tensor, noise: float) -> torch.Tensor:
        """Pixels to latents (with posterior noise) and back."""
        config = self.model.config
        latent = self.norm(self.model.encoder(pixels)[:, : config.z_channels])
        return self.model.decode(latent + noise * torch.randn_like(latent))

    def finish(self) -> None:
        self.norm.fold_into(self.model)


class DecoderOnly(nn.Module):
    """A trained autoencoder whose decoder goes on learning.

    The encoder is frozen: latents, and a model that draws them, stay valid. Whole pictures only, for its
    layers in the middle look at all of a picture at once.
    """

    name = "decoder"
    peaks = (1.5e-3, 5e-4)

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.model = Autoencoder(CONFIG)
        self.model.load_state_dict(load_file(weights))
        self.model.encoder.requires_grad_(False)

    @property
    def trained(self) -> nn.Module:
        return self.model.decoder

    def crops(self, progress: float) -> tuple[int, int]:
        return 256, 3

    def forward(self, pixels: torch.Tensor, noise: float) -> torch.Tensor:
        """Pixels to latents (with posterior noise) and back."""
        with torch.no_grad():
            latent = self.model.encode(pixels)
        return self.model.decode(latent + noise * torch.randn_like(latent))

    def finish(self) -> None:
        pass


@torch.no_grad()
def quality(module: Whole | DecoderOnly, pixels: torch.Tensor) -> dict[str, float]:
    """PSNR in dB and SSIM of whole pictures, without posterior noise."""
    module.eval()
    with fast_precision(pixels.device.type):
        parts = [module(part, 0.0) for part in pixels.split(4)]
    module.train()
    output = torch.cat(parts).float().clamp(-1, 1)
    return {"psnr": psnr(output, pixels), "ssim": ssim(output, pixels)}


def build_optimisers(module: nn.Module, peaks: tuple[float, float]) -> tuple[ConvolutionMuon, Optimizer]:
    """Muon for the wide convolutions, AdamW for the rest."""
    kernels = [p for p in module.parameters() if p.ndim == 4 and min(p.shape[:2]) >= 16]
    wide = {id(kernel) for kernel in kernels}
    rest = [p for p in module.parameters() if id(p) not in wide]
    return ConvolutionMuon(kernels, peaks[0]), torch.optim.AdamW(rest, lr=peaks[1], betas=(0.9, 0.99))


def train(
    work: Path, *, steps: int, device: str, seed: int = 0, pool: int = 3000, decoder_only: bool = False
) -> Path:
    """Trains for ``steps`` steps (those of earlier runs in ``work`` count), returns the weights' path.

    ``decoder_only`` begins from ``work/ae.safetensors`` and leaves its encoder as it is. Resumes from
    ``work/NAME.state.safetensors``, NAME being ``autoencoder`` or ``decoder``. Writes ``work/ae.safetensors``
    and ``work/NAME.json`` (the curve, with PSNR and SSIM of held-out scenes). Raises ``FileNotFoundError``
    when there is no autoencoder whose decoder could be trained.
    """
    work.mkdir(parents=True, exist_ok=True)
    target = work / "ae.safetensors"
    if decoder_only and not target.exists():
        raise FileNotFoundError(f"{target} isn't there: train an autoencoder first, or give --begin-from.")
    torch.manual_seed(seed)
    module = DecoderOnly(target) if decoder_only else Whole()
    module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device == "cpu":
        write_out_group_norms(module.model)
    fit(module, work, steps=steps, device=device, seed=seed, pool=pool)
    module.finish()
    with atomic_path(target) as part:
        save_file({k: v.contiguous().cpu() for k, v in module.model.state_dict().items()}, part)
    return target


def fit(module: Whole | DecoderOnly, work: Path, *, steps: int, device: str, seed: int, pool: int) -> None:
    """The loop of :func:`train`."""
    muon, adam = build_optimisers(module.trained, module.peaks)
    state_path = work / f"{module.name}.state.safetensors"
    spent, done, curve = 0.0, 0, []
    modules, optimisers = dict(module.named_children()), [muon.inner, adam]
    if state_path.exists():
        load_state(state_path, modules, optimisers)
        log = read_log(state_path)
        spent, done, curve = log["seconds"], log["steps"], log["curve"]
    pictures = picture_pool(pool, seed + 1)
    held_out = to_pixels(picture_pool(HELD_OUT, seed + 2, sample_held_out_scene)).to(device)
    started = last_save = time.monotonic()
    bar = tqdm(total=steps, initial=done, desc=module.name)
    while done < steps:
        progress = done / steps
        # Crops and posterior noise of a step come from its own number, so that a resumed run goes on exactly.
        rng = random.Random(f"{seed}-{done}")
        torch.manual_seed(rng.getrandbits(48))
        factor = min(1, (done + 1) / 30) * rate_factor(progress, warm=0.0)
        set_rates(optimisers, *module.peaks, factor)
        size, count = module.crops(progress)
        pixels = sample_crops(pictures, count, size, rng).to(device)
        with fast_precision(device):
            output = module(pixels, NOISE)
        loss = reconstruction_loss(output.float(), pixels)
        module.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        muon.step()
        adam.step()
        done += 1
        bar.update()
        if done % 25 == 0:
            bar.set_postfix(loss=f"{loss.item():.4f}")
        if time.monotonic() - last_save > 90 or done == steps:
            last_save = time.monotonic()
            elapsed = spent + time.monotonic() - started
            point = {"seconds": round(elapsed), "steps": done, "loss": loss.item()}
            curve.append(point | quality(module, held_out))
            log = {"seconds": elapsed, "steps": done, "curve": curve}
            save_state(state_path, modules, optimisers, log)
            tqdm.write(f"{curve[-1]}")
    bar.close()
