"""Writes a folder in the public layout, atomically."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.checkpoints.sizes import LM_HEAD
from engine.checkpoints.tokenizer import FILES
from engine.core.atomic_write import atomic_path, write_json
from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig


def llm_json(config: BagelConfig) -> dict[str, Any]:
    """``llm_config.json``: the Qwen2 keys the public loader reads."""
    language = config.language
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "layer_module": "Qwen2MoTDecoderLayer",
        "qk_norm": True,
        "hidden_act": "silu",
        "hidden_size": language.hidden_size,
        "intermediate_size": language.intermediate_size,
        "num_hidden_layers": language.num_layers,
        "num_attention_heads": language.num_heads,
        "num_key_value_heads": language.num_kv_heads,
        "vocab_size": language.vocab_size,
        "rope_theta": language.rope_theta,
        "rms_norm_eps": language.rms_norm_eps,
        "max_position_embeddings": language.max_positions,
        "use_sliding_window": False,
        "tie_word_embeddings": language.tie_word_embeddings,
    }


def vit_json(config: BagelConfig) -> dict[str, Any]:
    """``vit_config.json``; its layer count is one more than stored, as in the public release."""
    vision = config.vision
    return {
        "model_type": "siglip_vision_model",
        "hidden_size": vision.hidden_size,
        "intermediate_size": vision.intermediate_size,
        "num_hidden_layers": vision.num_layers + 1,
        "num_attention_heads": vision.num_heads,
        "patch_size": vision.patch_size,
        "image_size": vision.patch_size * config.vit_side,
    }


def bagel_json(
    config: BagelConfig, autoencoder: AutoencoderConfig, extras: Mapping[str, Any]
) -> dict[str, Any]:
    """``config.json``: what the public loader hard-codes, and this engine's own ``extras``."""
    return {
        "model_type": "bagel",
        "visual_gen": True,
        "visual_und": True,
        "latent_patch_size": config.latent_patch,
        "max_latent_size": config.latent_side,
        "vit_max_num_patch_per_side": config.vit_side,
        "connector_act": "gelu_pytorch_tanh",
        "interpolate_pos": config.interpolate_positions,
        "vae_config": {
            "in_channels": autoencoder.in_channels,
            "out_ch": autoencoder.in_channels,
            "ch": autoencoder.ch,
            "ch_mult": list(autoencoder.ch_mult),
            "num_res_blocks": autoencoder.num_res_blocks,
            "z_channels": autoencoder.z_channels,
            "downsample": autoencoder.downsample,
            "scale_factor": autoencoder.scale_factor,
            "norm_groups": autoencoder.norm_groups,
            "shift_factor": autoencoder.shift_factor,
        },
        **extras,
    }


def save_checkpoint(
    folder: Path | str,
    model: Bagel,
    autoencoder: Autoencoder,
    tokenizer_files: Path | str,
    *,
    extras: Mapping[str, Any] | None = None,
    dtype: torch.dtype = torch.bfloat16,
    autoencoder_dtype: torch.dtype = torch.bfloat16,
) -> Path:
    """Writes every file of a checkpoint into ``folder`` (made if needed), each replaced whole.

    ``tokenizer_files`` is a folder with ``tokenizer.json`` and its companions. ``extras`` may hold
    ``vae_transform`` and ``vit_transform`` ([max, min, stride]), ``default_image_size`` ([height, width]),
    ``sampling`` (settings by name), ``protocols`` (names of those it was trained on), ``world`` and
    ``title``, which :func:`engine.inference.painter.open_painter` reads.
    Tied heads are not stored. Raises ``FileNotFoundError`` when the tokenizer files are missing.
    """
    folder, source = Path(folder), Path(tokenizer_files)
    if not (source / "tokenizer.json").is_file():
        raise FileNotFoundError(
            f"{source} has no tokenizer.json to go with the weights; nothing was written."
        )
    folder.mkdir(parents=True, exist_ok=True)
    skip = {LM_HEAD} if model.config.language.tie_word_embeddings else set()
    _save_tensors(_tensors(model, dtype, skip), folder / "ema.safetensors")
    _save_tensors(_tensors(autoencoder, autoencoder_dtype, set()), folder / "ae.safetensors")
    write_json(folder / "llm_config.json", llm_json(model.config))
    write_json(folder / "vit_config.json", vit_json(model.config))
    write_json(folder / "config.json", bagel_json(model.config, autoencoder.config, extras or {}))
    for name in FILES:
        if (source / name).is_file() and source.resolve() != folder.resolve():
            shutil.copyfile(source / name, folder / name)
    return folder


def _tensors(module: nn.Module, dtype: torch.dtype, skip: set[str]) -> dict[str, Tensor]:
    state = module.state_dict()
    return {k: v.detach().to("cpu", dtype).contiguous() for k, v in state.items() if k not in skip}


def _save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    with atomic_path(path) as part:
        save_file(tensors, part, metadata={"format": "pt"})
