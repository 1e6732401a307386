"""Checks every file of a model folder without reading its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.files import (
    AUTOENCODER_NAME,
    TensorFiles,
    find_weights,
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
from engine.model.tiles import TiledAutoencoder

NEEDED_IF_STATED = ("vae_config", "latent_patch_size", "max_latent_size", "interpolate_pos")
"""Keys of a ``config.json`` that holds sizes and scales; the published one has none of them."""


@dataclass(frozen=True)
class ValidatedFolder:
    """A model folder whose files were checked and whose weights were not read yet."""

    path: Path
    config: BagelConfig
    autoencoder: AutoencoderConfig
    extras: dict[str, Any]
    weights: TensorFiles
    ae_file: TensorFiles
    tokenizer: Tokenizer

    @property
    def tied(self) -> bool:
        """Whether the token embeddings are the LM head too."""
        return self.config.language.tie_word_embeddings

    @property
    def head_fits(self) -> bool:
        """Whether the LM head may be quantised: it is a matrix of its own, with a row for every token."""
        return not self.tied and self.tokenizer.size <= self.config.language.vocab_size

    def on_meta(self, tile: int | None = None) -> tuple[Bagel, Autoencoder]:
        """Both networks on the meta device. Raises ``CheckpointError`` when the sizes make no model."""
        try:
            with torch.device("meta"):
                pixels = TiledAutoencoder(self.autoencoder, tile) if tile else Autoencoder(self.autoencoder)
                return Bagel(self.config), pixels
        except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise _impossible(self.path, error) from error


def validate_folder(folder: Path | str) -> ValidatedFolder:
    """Checks every file of a folder: there, whole, not pickled, and the shapes of one model.

    Raises ``CheckpointError`` with a sentence for everything wrong with it. Reads no weights.
    """
    folder = Path(folder)
    return validate_files(folder, find_weights(folder), folder)


def validate_files(folder: Path, weight_files: Sequence[Path], tokenizer_files: Path) -> ValidatedFolder:
    """A folder with weights and tokenizer files elsewhere. Raises as :func:`validate_folder`."""
    weights, ae_file = TensorFiles(weight_files), TensorFiles([folder / AUTOENCODER_NAME])
    llm, vit = read_json(folder / "llm_config.json"), read_json(folder / "vit_config.json")
    extras = read_optional_json(folder / "config.json", NEEDED_IF_STATED)
    try:
        ae_config = autoencoder_sizes(ae_file.shapes, extras)
        config = model_sizes(weights, ae_config, llm, vit, extras, tied=_is_tied(weights, llm))
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise _impossible(folder, error) from error
    validated = ValidatedFolder(
        folder, config, ae_config, extras, weights, ae_file, Tokenizer.load(tokenizer_files)
    )
    model, autoencoder = validated.on_meta()
    optional = (*POSITION_TABLES, LM_HEAD) if validated.tied else POSITION_TABLES
    check_tensors(weights, _shapes(model), optional)
    check_tensors(ae_file, _shapes(autoencoder))
    return validated


def read_sizes(folder: Path) -> tuple[BagelConfig, AutoencoderConfig]:
    """The sizes of a folder's model and autoencoder. Raises as :func:`validate_folder`."""
    validated = validate_folder(folder)
    return validated.config, validated.autoencoder


def _impossible(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"The sizes that {folder} states cannot make a model: {error}. Copy the whole model folder again."
    )


def _is_tied(weights: TensorFiles, llm: dict[str, Any]) -> bool:
    """Whether the token embeddings are the LM head too: no head is stored, or a copy of them is."""
    if LM_HEAD not in weights.shapes:
        return True
    if not llm.get("tie_word_embeddings") or weights.shapes[LM_HEAD] != weights.shapes.get(EMBEDDING):
        return False
    return torch.equal(weights.tensor(LM_HEAD), weights.tensor(EMBEDDING))


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {k: tuple(v.shape) for k, v in module.state_dict().items()}
