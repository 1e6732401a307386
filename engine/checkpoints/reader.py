"""Loads a folder in the public layout: checked against its own configs, streamed tensor by tensor.

Weights are cast while they are read, so the peak is one copy of the model in the wanted precision.
Quantising and offloading are not done here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.files import (
    AUTOENCODER_NAME,
    TensorFile,
    find_weights,
    folder_digest,
    read_json,
    read_optional_json,
)
from engine.checkpoints.sizes import (
    EMBEDDING,
    LM_HEAD,
    POSITION_TABLES,
    autoencoder_sizes,
    check_tensors,
    model_sizes,
)
from engine.checkpoints.tokenizer import Tokenizer
from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig
from engine.model.patches import sincos_table

NEEDED_IF_STATED = ("vae_config", "latent_patch_size", "max_latent_size", "interpolate_pos")
"""Keys of a ``config.json`` that holds sizes and scales; the published one has none of them."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass
class Checkpoint:
    """A loaded folder. ``extras`` is ``config.json`` ({} when absent), ``notes`` are remarks for a log."""

    folder: Path
    model: Bagel
    autoencoder: Autoencoder
    tokenizer: Tokenizer
    extras: dict[str, Any]
    precision: str
    digest: str
    notes: list[str] = field(default_factory=list)


def read_sizes(folder: Path) -> tuple[BagelConfig, AutoencoderConfig]:
    """The sizes of a folder's model and autoencoder, from its configs and the headers of its weights.

    Raises ``CheckpointError`` when they are not there or don't fit each other.
    """
    weights, ae_file = TensorFile(find_weights(folder)), TensorFile(folder / AUTOENCODER_NAME)
    llm, vit = read_json(folder / "llm_config.json"), read_json(folder / "vit_config.json")
    extras = read_optional_json(folder / "config.json", NEEDED_IF_STATED)
    try:
        ae_config = autoencoder_sizes(ae_file.shapes, extras)
        config = model_sizes(weights.shapes, ae_config, llm, vit, extras, tied=_is_tied(weights, llm))
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise _impossible(folder, error) from error
    return config, ae_config


def _impossible(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"The sizes that {folder} states cannot make a model: {error}. Copy the whole model folder again."
    )


def load_checkpoint(folder: Path | str, device: str = "cpu", precision: str = "float32") -> Checkpoint:
    """Loads model, autoencoder and tokenizer, ready to run.

    The autoencoder stays float32 on CPUs, where bf16 convolutions gain nothing; elsewhere it has the
    model's precision. Raises ``CheckpointError`` with a sentence for everything wrong with the folder.
    """
    folder = Path(folder)
    if precision not in PRECISIONS:
        raise CheckpointError(f"Precision {precision!r} is unknown; choose one of {', '.join(PRECISIONS)}.")
    dtype = PRECISIONS[precision]
    config, ae_config = read_sizes(folder)
    weights, ae_file = TensorFile(find_weights(folder)), TensorFile(folder / AUTOENCODER_NAME)
    extras = read_optional_json(folder / "config.json", NEEDED_IF_STATED)
    tied = config.language.tie_word_embeddings
    try:
        with torch.device("meta"):
            model, autoencoder = Bagel(config), Autoencoder(ae_config)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise _impossible(folder, error) from error
    tokenizer = Tokenizer.load(folder)
    optional = (*POSITION_TABLES, LM_HEAD) if tied else POSITION_TABLES
    check_tensors(weights.path.name, _shapes(model), weights.shapes, optional)
    check_tensors(ae_file.path.name, _shapes(autoencoder), ae_file.shapes)
    _fill(model, weights.tensors(), device, dtype)
    for name, table in (("latent_pos_embed", config.latent_side), ("vit_pos_embed", config.vit_side)):
        if f"{name}.pos_embed" not in weights.shapes:
            built = sincos_table(table, config.language.hidden_size)
            _fill(model, [(f"{name}.pos_embed", built)], device, dtype)
    if tied:
        model.language_model.lm_head.weight = model.language_model.model.embed_tokens.weight
    _fill(autoencoder, ae_file.tensors(), device, torch.float32 if device == "cpu" else dtype)
    checkpoint = Checkpoint(
        folder, model.eval(), autoencoder.eval(), tokenizer, extras, precision, folder_digest(folder)
    )
    _fit_vocabulary(checkpoint)
    return checkpoint


def _is_tied(weights: TensorFile, llm: dict[str, Any]) -> bool:
    """Whether words come out through the embedding matrix: no head is stored, or a copy of it is."""
    if LM_HEAD not in weights.shapes:
        return True
    if not llm.get("tie_word_embeddings") or weights.shapes[LM_HEAD] != weights.shapes.get(EMBEDDING):
        return False
    return torch.equal(weights.tensor(LM_HEAD), weights.tensor(EMBEDDING))


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {k: tuple(v.shape) for k, v in module.state_dict().items()}


def _fill(module: nn.Module, tensors: Iterable[tuple[str, Tensor]], device: str, dtype: torch.dtype) -> None:
    """Puts tensors in the places their names say, one by one."""
    for name, tensor in tensors:
        owner_name, _, leaf = name.rpartition(".")
        owner = module.get_submodule(owner_name)
        value = tensor.to(device=device, dtype=dtype)
        if leaf in owner._parameters:
            owner._parameters[leaf] = nn.Parameter(value, requires_grad=False)
        else:
            owner._buffers[leaf] = value


def _fit_vocabulary(checkpoint: Checkpoint) -> None:
    """Gives framing tokens that the folder's tokenizer lacked a row each when the matrices are too short."""
    language = checkpoint.model.language_model
    rows, needed = language.config.vocab_size, checkpoint.tokenizer.size
    if checkpoint.tokenizer.added:
        names = ", ".join(checkpoint.tokenizer.added)
        checkpoint.notes.append(f"The tokenizer lacked {names}; they were appended.")
    if needed <= rows:
        return
    for linear in {language.model.embed_tokens, language.lm_head}:
        mean = linear.weight.float().mean(dim=0, keepdim=True).to(linear.weight.dtype)
        grown = torch.cat([linear.weight, mean.expand(needed - rows, -1)])
        linear.weight = nn.Parameter(grown, requires_grad=False)
    if language.config.tie_word_embeddings:
        language.lm_head.weight = language.model.embed_tokens.weight
    language.config = replace(language.config, vocab_size=needed)
    checkpoint.model.config = replace(checkpoint.model.config, language=language.config)
    checkpoint.notes.append(
        f"The vocabulary has {rows} rows and the tokenizer {needed} ids; the missing rows were filled with "
        "the mean row. They were never trained, so don't expect sensible text or pictures before fine-tuning."
    )
