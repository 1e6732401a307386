"""Loads a model folder: checks it against its own configs, then streams the weights in, piece by piece.

Weights are cast or quantised on the device while they are read, so the peak there is the model in its
final form and one piece, and the host holds a few pieces. Nothing goes to a disk, or to another device
than the one asked for. :mod:`engine.placement.planner` chooses precision and device.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.checkpoints.files import TensorFiles, folder_digest
from engine.checkpoints.layer_placement import LayerPlacement
from engine.checkpoints.precision import compute_dtype, precision_label
from engine.checkpoints.progress import LoadProgress
from engine.checkpoints.quantise.convert import FORMATS, convert
from engine.checkpoints.quantised_cache import QuantisedCache, find_cache, is_complete, save_cache
from engine.checkpoints.sizes import EMBEDDING, POSITION_TABLES
from engine.checkpoints.stream import ReadStats, stream
from engine.checkpoints.tokenizer import Tokenizer
from engine.checkpoints.validated_folder import ValidatedFolder, validate_folder
from engine.checkpoints.weight_loader import WeightLoader
from engine.model.autoencoder import Autoencoder
from engine.model.bagel import Bagel
from engine.model.host_embedding import HostEmbedding
from engine.model.patches import sincos_table


@dataclass(frozen=True)
class LoadReport:
    """How a load went: ``bytes`` were read, which took ``disk_seconds`` of all the ``seconds``.

    ``from_copy``: a quantised copy was there, so nothing was quantised.
    """

    bytes: int
    seconds: float
    disk_seconds: float
    from_copy: bool


@dataclass
class Checkpoint:
    """A loaded folder. ``extras`` is ``config.json`` ({} when absent), ``notes`` are remarks for a log.

    ``precision`` is as a fingerprint names it: :func:`~engine.checkpoints.precision.precision_label`, tiles.
    """

    folder: Path
    model: Bagel
    autoencoder: Autoencoder
    tokenizer: Tokenizer
    extras: dict[str, Any]
    precision: str
    digest: str
    report: LoadReport
    notes: list[str] = field(default_factory=list)


def load_checkpoint(
    folder: Path | str | ValidatedFolder,
    device: str = "cpu",
    precision: str = "float32",
    *,
    head: bool = False,
    embeddings_on_host: bool = False,
    tile: int | None = None,
    layers: LayerPlacement | None = None,
    copy: bool = False,
    loading: LoadProgress | None = None,
) -> Checkpoint:
    """Loads model, autoencoder and tokenizer, ready to run. Raises ``CheckpointError``.

    Args:
        folder: a folder, or one that was validated already.
        precision: one of :data:`engine.checkpoints.precision.PRECISIONS`.
        head: quantise the LM head too, if the precision is a quantised one.
        embeddings_on_host: keep the token embeddings in host memory.
        tile: pixels a side of the tiles that the autoencoder works in; None takes pictures whole.
        layers: the device of each layer, when several share them; everything else goes to ``device``,
            which must be its home.
        copy: save a quantised copy beside the weights, unless there is one.
        loading: told of every piece; cancelling it raises ``LoadingCancelled``.

    The autoencoder stays float32 on CPUs, where bf16 convolutions gain nothing; elsewhere it has the
    precision of what is not quantised.
    """
    began, dtype = time.perf_counter(), compute_dtype(precision, device)
    validated = folder if isinstance(folder, ValidatedFolder) else validate_folder(folder)
    quantised, head = precision in FORMATS, head and validated.head_fits
    notes: list[str] = []
    model, autoencoder = build_on_meta(
        validated, precision, head=head, embeddings_on_host=embeddings_on_host, tile=tile
    )
    cache = find_cache(validated.weights, precision, head=head, notes=notes) if quantised else None
    if cache and not is_complete(cache, model, tied=validated.tied, notes=notes):
        cache = None
    source = cache.files if cache else validated.weights
    loading = loading or LoadProgress()
    loading.begin(source.bytes + validated.ae_file.bytes)
    stats = ReadStats()
    loader = WeightLoader(model, _devices(device, model, layers), dtype, quantised=cache is not None)
    loader.load(stream(source, stats), loading)
    config = validated.config
    for name, side in zip(POSITION_TABLES, (config.latent_side, config.vit_side), strict=True):
        if name not in source.shapes:
            loader.put(name, sincos_table(side, config.language.hidden_size))
    if validated.tied:
        model.language_model.lm_head.weight = model.language_model.model.embed_tokens.weight
    WeightLoader(autoencoder, lambda _: device, dtype_of_autoencoder(precision, device)).load(
        stream(validated.ae_file, stats), loading
    )
    digests = _digests(stats, cache, validated.ae_file)
    if copy and quantised and not cache:
        own = {path.name: digests[path.name] for path in validated.weights.paths}
        save_cache(validated.weights, own, model, precision, head=head, tied=validated.tied)
    if layers:
        layers.connect(model)
    checkpoint = Checkpoint(
        validated.path,
        model.eval(),
        autoencoder.eval(),
        validated.tokenizer,
        validated.extras,
        precision_label(precision, head=head) + (f"+tiles{tile}" if tile else ""),
        folder_digest(validated.path, digests),
        LoadReport(loading.total, time.perf_counter() - began, stats.seconds, cache is not None),
        notes,
    )
    _extend_vocabulary(checkpoint)
    return checkpoint


def build_on_meta(
    folder: ValidatedFolder,
    precision: str,
    *,
    head: bool,
    embeddings_on_host: bool,
    tile: int | None,
) -> tuple[Bagel, Autoencoder]:
    """Both networks on the meta device, as ``load_checkpoint`` fills them."""
    model, autoencoder = folder.on_meta(tile)
    if precision in FORMATS:
        convert(model, precision, head=head and folder.head_fits)
    if embeddings_on_host and not folder.tied:
        _embeddings_to_host(model)
    return model, autoencoder


def is_on_host(model: Bagel, name: str) -> bool:
    """Whether a tensor of the model stays in host memory, whatever the device."""
    return name == EMBEDDING and isinstance(model.language_model.model.embed_tokens, HostEmbedding)


def dtype_of_autoencoder(precision: str, device: str) -> torch.dtype:
    """float32 on CPUs, where bf16 convolutions gain nothing; else that of what is not quantised."""
    return torch.float32 if torch.device(device).type == "cpu" else compute_dtype(precision, device)


def _embeddings_to_host(model: Bagel) -> None:
    table = model.language_model.model.embed_tokens
    with torch.device("meta"):
        model.language_model.model.embed_tokens = HostEmbedding(table.num_embeddings, table.embedding_dim)


def _devices(device: str, model: Bagel, layers: LayerPlacement | None) -> Callable[[str], str]:
    """A function that gives the device of the tensor of a name."""

    def device_of(name: str) -> str:
        if is_on_host(model, name):
            return "cpu"
        return layers.device_of(name) if layers else device

    return device_of


def _digests(stats: ReadStats, cache: QuantisedCache | None, ae_file: TensorFiles) -> dict[str, str]:
    """The digests of the original files; a quantised copy knows those of the weights it was made from."""
    if cache is None:
        return stats.digests
    return {**cache.digests, ae_file.paths[0].name: stats.digests[ae_file.paths[0].name]}


def _extend_vocabulary(checkpoint: Checkpoint) -> None:
    """Adds rows to the embeddings and the head for tokens that the folder's tokenizer lacked."""
    language = checkpoint.model.language_model
    rows, needed = language.config.vocab_size, checkpoint.tokenizer.size
    if checkpoint.tokenizer.added:
        names = ", ".join(checkpoint.tokenizer.added)
        checkpoint.notes.append(f"The tokenizer lacked {names}; they were appended.")
    if needed <= rows:
        return
    tables: list[nn.Embedding | nn.Linear] = [language.model.embed_tokens, language.lm_head]
    for table in tables:
        mean = table.weight.float().mean(dim=0, keepdim=True).to(table.weight.dtype)
        grown = torch.cat([table.weight, mean.expand(needed - rows, -1)])
        table.weight = nn.Parameter(grown, requires_grad=False)
    if language.config.tie_word_embeddings:
        language.lm_head.weight = language.model.embed_tokens.weight
    language.config = replace(language.config, vocab_size=needed)
    checkpoint.model.config = replace(checkpoint.model.config, language=language.config)
    checkpoint.notes.append(
        f"The vocabulary has {rows} rows and the tokenizer {needed} ids; the missing rows were filled with "
        "the mean row. They were never trained, so don't expect sensible text or pictures before fine-tuning."
    )
