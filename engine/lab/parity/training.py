"""The packed training forward: packing, masks, losses and gradient norms."""

from __future__ import annotations

import torch

from engine.lab.parity.fixture import Fixture
from engine.lab.parity.golden import EXACT, HIDDEN, Golden
from engine.lab.training.batch import PackedBatch
from engine.lab.training.losses import training_losses
from engine.lab.training.packing import NoisedSplit, Packer, Split, TextSplit, VaeSplit, VitSplit
from engine.model.config import BagelConfig
from engine.model.patches import unpatchify

SQUARED_ERROR = 5e-5
MEAN = 1e-5
GRADIENT = 1e-4
"""Of |difference| / (0.05 + recorded norm): absolute for tiny norms, relative for large ones."""

SAME = {
    "packed_text_ids": "text_ids",
    "packed_text_indexes": "text_index",
    "packed_position_ids": "position_ids",
    "packed_vae_token_indexes": "latent_index",
    "packed_latent_position_ids": "latent_position_ids",
    "packed_vit_token_indexes": "vit_index",
    "packed_vit_position_ids": "vit_position_ids",
    "packed_vit_tokens": "vit_patches",
    "packed_label_ids": "ce_labels",
    "ce_loss_indexes": "ce_index",
    "mse_loss_indexes": "mse_index",
}


def samples(fixture: Fixture, golden: Golden) -> list[list[Split]]:
    """The recorded samples as this engine's splits."""
    fields, config = golden.fields, fixture.model.config
    draws, noise, latents = golden["packed_timesteps"], golden["noise"], golden["padded_latent"]
    shapes, seen_lengths = fields["patchified_vae_latent_shapes"], golden["vit_token_seqlens"].tolist()
    patches, vit_ids = golden["packed_vit_tokens"], golden["packed_vit_position_ids"]
    image = token = look = patch = 0
    packed: list[list[Split]] = []
    for plan, texts in zip(fields["plans"], fields["text_ids"], strict=True):
        splits: list[Split] = []
        words = iter(texts)
        for part in plan:
            if part["type"] == "text":
                label = part["special_token_label"] if part["special_token_loss"] else None
                splits.append(TextSplit(next(words), loss=bool(part["loss"]), next_token=label))
            elif part["type"] == "vae_image":
                rows, columns = shapes[image]
                side = config.latent_patch
                latent = latents[image][:, : rows * side, : columns * side]
                here = slice(token, token + rows * columns)
                if part["loss"]:
                    splits.append(NoisedSplit(latent, draw=draws[here][0].item(), noise=noise[here]))
                else:
                    splits.append(VaeSplit(latent))
                image, token = image + 1, here.stop
            else:
                here = slice(patch, patch + seen_lengths[look])
                rows = len(torch.unique(vit_ids[here] // config.vit_side))
                columns = seen_lengths[look] // rows
                pixels = unpatchify(patches[here], config.vision.patch_size, rows, columns)
                splits.append(VitSplit(pixels))
                look, patch = look + 1, here.stop
        packed.append(splits)
    return packed


def check_packing(golden: Golden, batch: PackedBatch) -> None:
    """Lengths, indices, labels, times and masks."""
    fields = golden.fields
    golden.equal("sample lengths", batch.sample_lengths, fields["sample_lens"])
    golden.equal("sequence length", len(batch.position_ids), fields["sequence_length"])
    for name, ours in SAME.items():
        golden.close(name, getattr(batch, ours), EXACT)
    golden.close("ce_loss_weights", batch.ce_weights, 1e-6)
    draws, shift = golden["packed_timesteps"].sigmoid(), fields["timestep_shift"]
    golden.close("timesteps", batch.timesteps, 1e-6, shift * draws / (1 + (shift - 1) * draws))
    for i, length in enumerate(batch.sample_lengths):
        golden.close(f"attn_mask_{i}", batch.mask[i, 0, :length, :length], EXACT)


def check_splits(golden: Golden, packed: list[list[Split]], config: BagelConfig) -> None:
    """Length and kind of attention of every split."""
    found = []
    for sample in packed:
        lengths, modes = [], []
        for split in sample:
            if isinstance(split, TextSplit):
                lengths.append(len(split.ids) + 2)
                modes.append("causal")
            else:
                if isinstance(split, VitSplit):
                    values, patch = split.pixels[0], config.vision.patch_size
                else:
                    values, patch = split.latent[0], config.latent_patch
                lengths.append(values.numel() // patch**2 + 2)
                modes.append("noise" if isinstance(split, NoisedSplit) else "full")
        found.append({"split_lens": lengths, "attn_modes": modes})
    golden.equal("splits", found, golden.fields["splits"])


def run(fixture: Fixture, golden: Golden) -> None:
    """Packs the recorded samples, runs them forwards and backwards."""
    fields, model = golden.fields, fixture.model
    packer = Packer(model.config, fixture.tokens, timestep_shift=fields["timestep_shift"])
    packed = samples(fixture, golden)
    batch = packer.pack(packed)
    check_splits(golden, packed, model.config)
    check_packing(golden, batch)
    model.requires_grad_(True)
    try:
        with torch.enable_grad():
            losses = training_losses(model, batch)
            (losses.ce_mean + losses.mse_mean).backward()
        norms = {
            k: p.grad.norm() if p.grad is not None else torch.zeros(()) for k, p in model.named_parameters()
        }
    finally:
        model.zero_grad(set_to_none=True)
        model.requires_grad_(False)
    golden.close("last_hidden_state", losses.hidden, HIDDEN)
    golden.close("ce", losses.ce, HIDDEN)
    golden.close("mse", losses.mse, SQUARED_ERROR)
    means = {
        "ce_mean": losses.ce_mean,
        "mse_mean": losses.mse_mean,
        "ce_weighted_mean": losses.weighted_ce(batch.ce_weights),
    }
    for name, value in means.items():
        golden.close(name, value, MEAN, torch.tensor(fields[name]))
    names = fields["grad_norm_names"]
    golden.equal("parameters with gradients", sorted(norms), sorted(names))
    want = golden["grad_norms"]
    got = torch.stack([norms.get(name, torch.tensor(float("nan"))) for name in names])
    golden.close("grad_norms", (got - want) / (0.05 + want), GRADIENT, torch.zeros(len(names)))
