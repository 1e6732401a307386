"""Derives a model's sizes from tensor shapes and the folder's JSON files, and says where they disagree."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.checkpoints.errors import FETCH_AGAIN, TAKE_ANOTHER, CheckpointError, truncate_list
from engine.checkpoints.files import AUTOENCODER_NAME, TensorFiles
from engine.model.autoencoder import AutoencoderConfig
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig

Shapes = Mapping[str, tuple[int, ...]]

LAYERS = "language_model.model.layers."
VIT = "vit_model.vision_model."
POSITION_TABLES = ("latent_pos_embed.pos_embed", "vit_pos_embed.pos_embed")
VIT_POSITIONS = VIT + "embeddings.position_embedding.weight"
LM_HEAD = "language_model.lm_head.weight"
EMBEDDING = "language_model.model.embed_tokens.weight"


def _shape(weights: TensorFiles, name: str, dims: int) -> tuple[int, ...]:
    if name not in weights.stored:
        raise CheckpointError(
            f"{name} is missing from {weights.name}, so this is no whole model of this kind. {FETCH_AGAIN}"
        )
    stored = weights.stored[name]
    if len(stored.shape) != dims:
        raise CheckpointError(
            f"{name} in {stored.path.name} has shape {list(stored.shape)}; {dims} dimensions were expected. "
            f"{FETCH_AGAIN}"
        )
    return stored.shape


def _count(weights: TensorFiles, prefix: str) -> int:
    numbers = [k[len(prefix) :].split(".")[0] for k in weights.stored if k.startswith(prefix)]
    return 1 + max((int(n) for n in numbers if n.isdigit()), default=-1)


def _square(value: int, weights: TensorFiles, name: str) -> int:
    """The side of a square grid of ``value`` positions, read from the shape of the tensor ``name``."""
    side = math.isqrt(value)
    if side * side != value:
        raise CheckpointError(
            f"{name} in {weights.stored[name].path.name} tells no size: {value} is not a square number. "
            f"{FETCH_AGAIN}"
        )
    return side


def _side(weights: TensorFiles, table: str, otherwise: int) -> int:
    """Side of a stored position table, or what else is known when it isn't stored."""
    if table not in weights.stored:
        return otherwise
    return _square(_shape(weights, table, 2)[0], weights, table)


def _agree(file: str, stated: Mapping[str, Any], found: Mapping[str, int]) -> None:
    wrong = [f"{k} is {stated[k]} but the tensors say {v}" for k, v in found.items() if stated.get(k, v) != v]
    if wrong:
        raise CheckpointError(f"{file} does not fit the weights: {'; '.join(wrong)}. {FETCH_AGAIN}")


def language_sizes(weights: TensorFiles, stated: Mapping[str, Any], *, tied: bool) -> LanguageConfig:
    """Sizes of the language model; ``stated`` is ``llm_config.json``."""
    vocab, hidden = _shape(weights, EMBEDDING, 2)
    attention = f"{LAYERS}0.self_attn."
    (head_dim,) = _shape(weights, attention + "q_norm.weight", 1)
    found = {
        "hidden_size": hidden,
        "num_hidden_layers": _count(weights, LAYERS),
        "num_attention_heads": _shape(weights, attention + "q_proj.weight", 2)[0] // head_dim,
        "num_key_value_heads": _shape(weights, attention + "k_proj.weight", 2)[0] // head_dim,
        "intermediate_size": _shape(weights, f"{LAYERS}0.mlp.gate_proj.weight", 2)[0],
    }
    _agree("llm_config.json", stated, found)
    if (
        stated.get("hidden_act", "silu") != "silu"
        or stated.get("rope_scaling")
        or stated.get("use_sliding_window")
    ):
        raise CheckpointError(
            "llm_config.json asks for another activation, RoPE scaling or a sliding window; not supported. "
            f"{TAKE_ANOTHER}"
        )
    rope = stated.get("rope_parameters") or {}
    if head_dim * found["num_attention_heads"] != hidden:
        raise CheckpointError(
            f"By {weights.name} heads of {head_dim} do not divide the hidden size {hidden}; not supported. "
            f"{TAKE_ANOTHER}"
        )
    return LanguageConfig(
        hidden_size=hidden,
        num_layers=found["num_hidden_layers"],
        num_heads=found["num_attention_heads"],
        num_kv_heads=found["num_key_value_heads"],
        intermediate_size=found["intermediate_size"],
        vocab_size=vocab,
        rope_theta=float(stated.get("rope_theta") or rope.get("rope_theta") or 1e6),
        rms_norm_eps=float(stated.get("rms_norm_eps", 1e-6)),
        tie_word_embeddings=tied,
        max_positions=int(stated.get("max_position_embeddings", 32768)),
    )


def vision_sizes(weights: TensorFiles, stated: Mapping[str, Any]) -> VisionConfig:
    """Sizes of the vision encoder; ``stated`` is ``vit_config.json``, whose layer count is one too high."""
    embedding = VIT + "embeddings.patch_embedding.weight"
    hidden, inputs = _shape(weights, embedding, 2)
    patch = _square(inputs // 3, weights, embedding)
    found = {
        "hidden_size": hidden,
        "patch_size": patch,
        "intermediate_size": _shape(weights, VIT + "encoder.layers.0.mlp.fc1.weight", 2)[0],
    }
    _agree("vit_config.json", stated, found)
    if stated.get("hidden_act", "gelu_pytorch_tanh") != "gelu_pytorch_tanh":
        raise CheckpointError(
            f"vit_config.json asks for hidden_act {stated['hidden_act']!r}; not supported. {TAKE_ANOTHER}"
        )
    if "num_attention_heads" not in stated:
        raise CheckpointError(
            f"vit_config.json lacks num_attention_heads, which no tensor shape tells. {FETCH_AGAIN}"
        )
    return VisionConfig(
        hidden_size=hidden,
        num_layers=_count(weights, VIT + "encoder.layers."),
        num_heads=int(stated["num_attention_heads"]),
        intermediate_size=found["intermediate_size"],
        patch_size=patch,
        positions=_shape(weights, VIT_POSITIONS, 2)[0],
        layer_norm_eps=float(stated.get("layer_norm_eps", 1e-6)),
    )


def autoencoder_sizes(shapes: Shapes, stated: Mapping[str, Any]) -> AutoencoderConfig:
    """Sizes of the autoencoder; only scale, shift and groups come from ``config.json``, if they are there."""
    stated = stated.get("vae_config") or {}
    try:
        return AutoencoderConfig.from_shapes(
            shapes,
            float(stated.get("scale_factor", 0.3611)),
            float(stated.get("shift_factor", 0.1159)),
            int(stated.get("norm_groups", 32)),
        )
    except (KeyError, IndexError) as error:
        raise CheckpointError(
            f"{AUTOENCODER_NAME} is not an autoencoder of this kind: it lacks {error}. {FETCH_AGAIN}"
        ) from None


def model_sizes(
    weights: TensorFiles,
    autoencoder: AutoencoderConfig,
    llm: Mapping[str, Any],
    vit: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    tied: bool,
) -> BagelConfig:
    """All sizes of the unified model. Raises ``CheckpointError`` naming what doesn't fit."""
    if config.get("connector_act", "gelu_pytorch_tanh") != "gelu_pytorch_tanh":
        raise CheckpointError(
            f"config.json asks for connector_act {config['connector_act']!r}; not supported. {TAKE_ANOTHER}"
        )
    values, z = _shape(weights, "llm2vae.weight", 2)[0], autoencoder.z_channels
    if values % z:
        raise CheckpointError(
            f"llm2vae in {weights.name} makes {values} values a token, no multiple of the {z} channels of "
            f"{AUTOENCODER_NAME}. {FETCH_AGAIN}"
        )
    patch = _square(values // z, weights, "llm2vae.weight")
    vision = vision_sizes(weights, vit)
    latent_side = _side(weights, POSITION_TABLES[0], int(config.get("max_latent_size", 64)))
    vit_side = _side(weights, POSITION_TABLES[1], _square(vision.positions, weights, VIT_POSITIONS))
    return BagelConfig(
        language=language_sizes(weights, llm, tied=tied),
        vision=vision,
        latent_channels=z,
        latent_patch=patch,
        latent_side=latent_side,
        latent_downsample=autoencoder.downsample * patch,
        vit_side=vit_side,
        time_frequencies=_shape(weights, "time_embedder.mlp.0.weight", 2)[1],
        interpolate_positions=bool(config.get("interpolate_pos", False)),
    )


def check_tensors(files: TensorFiles, expected: Shapes, optional: tuple[str, ...] = ()) -> None:
    """Raises ``CheckpointError`` naming every missing, unknown or mis-shaped tensor; of shards, which one."""
    found = files.stored
    missing = sorted(k for k in expected if k not in found and k not in optional)
    unknown = sorted(k + files.shard_of(k) for k in found if k not in expected)
    shaped = sorted(
        f"{k}{files.shard_of(k)} is {list(found[k].shape)}, not {list(expected[k])}"
        for k in expected
        if k in found and found[k].shape != expected[k]
    )
    problems = [("missing", missing), ("unknown", unknown), ("mis-shaped", shaped)]
    wrong = [f"{word}: {truncate_list(names)}" for word, names in problems if names]
    if wrong:
        raise CheckpointError(
            f"The tensors of {files.name} do not fit the model. {'; '.join(wrong)}. {FETCH_AGAIN}"
        )
