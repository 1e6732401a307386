"""The image autoencoder in the FLUX.1 shape and naming: pixels <-> latents, 2**(levels-1) times smaller.

Moments, latents and pixels are plain tensors here; sampling the posterior, and what a latent is used
for, is the caller's business. Works in float32, bf16, under autocast and in channels_last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the autoencoder. ``latent = scale * (z - shift)``; widths are multiples of ``norm_groups``.

    The public autoencoder always has 32 groups. With as few as 32 channels that would leave one channel a
    group, which forgets how light a picture is; a small model says another number in its ``config.json``.
    """

    ch: int = 128
    ch_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    z_channels: int = 16
    in_channels: int = 3
    scale_factor: float = 0.3611
    shift_factor: float = 0.1159
    norm_groups: int = 32

    @property
    def downsample(self) -> int:
        """Pixels per latent cell and side."""
        return 2 ** (len(self.ch_mult) - 1)

    @classmethod
    def from_shapes(
        cls,
        shapes: Mapping[str, tuple[int, ...]],
        scale_factor: float = 0.3611,
        shift_factor: float = 0.1159,
        norm_groups: int = 32,
    ) -> AutoencoderConfig:
        """Sizes from tensor shapes. Raises ``KeyError`` naming a tensor that is needed and missing."""
        ch, in_channels = shapes["encoder.conv_in.weight"][:2]
        levels = _count(shapes, "encoder.down.")
        blocks = _count(shapes, "encoder.down.0.block.")
        widths = [shapes[f"encoder.down.{i}.block.0.conv1.weight"][0] for i in range(levels)]
        return cls(
            ch=ch,
            ch_mult=tuple(w // ch for w in widths),
            num_res_blocks=blocks,
            z_channels=shapes["decoder.conv_in.weight"][1],
            in_channels=in_channels,
            scale_factor=scale_factor,
            shift_factor=shift_factor,
            norm_groups=norm_groups,
        )


def _count(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> int:
    """How many numbered modules there are under ``prefix``."""
    numbers = [k.removeprefix(prefix).split(".")[0] for k in shapes if k.startswith(prefix)]
    if not numbers:
        raise KeyError(f"{prefix}0")
    return 1 + max(map(int, numbers))


def _norm(channels: int) -> nn.GroupNorm:
    """A norm whose number of groups :class:`Autoencoder` sets."""
    return nn.GroupNorm(1, channels, eps=1e-6)


class ResBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.norm1 = _norm(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2 = _norm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        if channels_in != channels_out:
            self.nin_shortcut = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x) + h


class AttnBlock(nn.Module):
    """Single-head self-attention over the latent grid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (
            m(h).flatten(2).transpose(1, 2).unsqueeze(1).contiguous() for m in (self.q, self.k, self.v)
        )
        h = F.scaled_dot_product_attention(q, k, v).squeeze(1)
        return x + self.proj_out(h.transpose(1, 2).reshape(x.shape))


class Downsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class DownLevel(nn.Module):
    """The blocks of one resolution of the encoder, and the way to the next lower one."""

    def __init__(self, blocks: list[ResBlock], downsample: Downsample | None) -> None:
        super().__init__()
        self.block = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, h: Tensor) -> Tensor:
        for block in self.block:
            h = block(h)
        return h if self.downsample is None else self.downsample(h)


class UpLevel(nn.Module):
    """The blocks of one resolution of the decoder, and the way to the next higher one."""

    def __init__(self, blocks: list[ResBlock], upsample: Upsample | None) -> None:
        super().__init__()
        self.block = nn.ModuleList(blocks)
        self.upsample = upsample

    def forward(self, h: Tensor) -> Tensor:
        for block in self.block:
            h = block(h)
        return h if self.upsample is None else self.upsample(h)


class MidLevel(nn.Module):
    """The blocks at the lowest resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block_1 = ResBlock(channels, channels)
        self.attn_1 = AttnBlock(channels)
        self.block_2 = ResBlock(channels, channels)

    def forward(self, h: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(h)))


class Encoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.ch * m for m in config.ch_mult]
        self.conv_in = nn.Conv2d(config.in_channels, config.ch, 3, padding=1)
        self.down = nn.ModuleList()
        width = config.ch
        for i, out in enumerate(widths):
            inputs = [width] + [out] * (config.num_res_blocks - 1)
            blocks = [ResBlock(w, out) for w in inputs]
            self.down.append(DownLevel(blocks, Downsample(out) if i < len(widths) - 1 else None))
            width = out
        self.mid = MidLevel(width)
        self.norm_out = _norm(width)
        self.conv_out = nn.Conv2d(width, 2 * config.z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(x)
        for level in self.down:
            h = level(h)
        h = self.mid(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class Decoder(nn.Module):
    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = [config.ch * m for m in config.ch_mult]
        width = widths[-1]
        self.conv_in = nn.Conv2d(config.z_channels, width, 3, padding=1)
        self.mid = MidLevel(width)
        levels: list[nn.Module] = []
        for i in reversed(range(len(widths))):
            inputs = [width] + [widths[i]] * config.num_res_blocks
            blocks = [ResBlock(w, widths[i]) for w in inputs]
            levels.append(UpLevel(blocks, Upsample(widths[i]) if i > 0 else None))
            width = widths[i]
        self.up = nn.ModuleList(reversed(levels))  # index 0 is the highest resolution and runs last
        self.norm_out = _norm(width)
        self.conv_out = nn.Conv2d(width, config.in_channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.conv_in(z)
        h = self.mid(h)
        for level in reversed(self.up):
            h = level(h)
        return self.conv_out(F.silu(self.norm_out(h)))


class Autoencoder(nn.Module):
    """Encoder and decoder with the latent scaling between them."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                if module.num_channels % config.norm_groups:
                    raise ValueError(
                        f"{module.num_channels} channels don't divide into {config.norm_groups} groups"
                    )
                module.num_groups = config.norm_groups

    def encode_moments(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [B, 3, H, W] in [-1, 1] -> (mean, logvar), each [B, z, H/f, W/f], before scaling."""
        mean, logvar = self.encoder(pixels).chunk(2, dim=1)
        return mean, logvar

    def to_latent(self, z: Tensor) -> Tensor:
        """A posterior mean or sample -> the latent the flow model sees."""
        return self.config.scale_factor * (z - self.config.shift_factor)

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Pixels -> latent of the posterior mean, or of ``mean + exp(logvar/2) * noise``."""
        mean, logvar = self.encode_moments(pixels)
        return self.to_latent(mean if noise is None else mean + torch.exp(0.5 * logvar) * noise)

    def decode(self, latent: Tensor) -> Tensor:
        """Latent [B, z, h, w] -> pixels [B, 3, h*f, w*f], nominally in [-1, 1], not clamped."""
        return self.decoder(latent / self.config.scale_factor + self.config.shift_factor)


def to_uint8(pixels: Tensor) -> Tensor:
    """Decoded pixels [3, H, W] -> uint8 [H, W, 3]; truncated, not rounded, as the reference does."""
    return ((pixels.float() * 0.5 + 0.5).clamp(0, 1) * 255).permute(1, 2, 0).to(torch.uint8)
