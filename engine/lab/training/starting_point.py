"""What a training starts from: the default checkpoint's sizes and words, or those of a checkpoint folder.

A work folder that began from a checkpoint keeps its weights, autoencoder, words and configs, and sizes are
read from there, whatever they are. One that began with nothing makes a storybook model.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from engine.checkpoints.files import AUTOENCODER_NAME, read_optional_json
from engine.checkpoints.reader import load_checkpoint
from engine.checkpoints.sizes import EMBEDDING, LM_HEAD
from engine.checkpoints.tensor_writer import write_tensors
from engine.checkpoints.tokenizer import FILES
from engine.checkpoints.tokenizer import Tokenizer as CheckpointTokenizer
from engine.checkpoints.validated_folder import ValidatedFolder, validate_files, validate_folder
from engine.checkpoints.vocabulary import VOCABULARY
from engine.inference.pictures import transforms
from engine.inference.preprocess import Transform
from engine.lab.storybook.language.corpus import corpus
from engine.lab.training import provenance
from engine.lab.training.autoencoder import CONFIG as AUTOENCODER
from engine.lab.training.data.irg import QUESTIONS, sample_irg_script
from engine.lab.training.data.process import process_script
from engine.lab.training.shards import SEEN_SIDE
from engine.lab.training.tokenizer import move_word_rows, train_tokenizer
from engine.model.autoencoder import Autoencoder
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig

if TYPE_CHECKING:
    from engine.lab.training.conversations import ConversationSampler

START = "unified.start.safetensors"
"""The weights that a work folder began with, as they were stored."""

CONFIGS = ("llm_config.json", "vit_config.json", "config.json", "protocol.toml", VOCABULARY)
"""The small files of a checkpoint folder that say what it is; the last three may be missing."""

LATENT_PATCH = 2
LATENT_SIDE = 8
VISION_PATCH = 16

# What config.json of the checkpoint says beyond the sizes and what it was trained on: its world, and how
# pictures come in.
EXTRAS = {
    "title": "Storybook model",
    "world": "storybook",
    "vae_transform": [256, 256, AUTOENCODER.downsample * LATENT_PATCH],
    "vit_transform": [SEEN_SIDE, SEEN_SIDE, VISION_PATCH],
    "default_image_size": [256, 256],
}


def sizes(vocabulary: int) -> BagelConfig:
    """The unified model's sizes: 64 latent tokens and 64 vision tokens a picture."""
    return BagelConfig(
        language=LanguageConfig(
            hidden_size=256,
            num_layers=6,
            num_heads=4,
            num_kv_heads=2,
            intermediate_size=704,
            vocab_size=vocabulary,
        ),
        vision=VisionConfig(
            hidden_size=192,
            num_layers=3,
            num_heads=4,
            intermediate_size=512,
            patch_size=VISION_PATCH,
            positions=LATENT_SIDE**2,
        ),
        latent_channels=AUTOENCODER.z_channels,
        latent_patch=LATENT_PATCH,
        latent_side=LATENT_SIDE,
        latent_downsample=AUTOENCODER.downsample * LATENT_PATCH,
        vit_side=SEEN_SIDE // VISION_PATCH,
    )


def make_tokenizer(work: Path, seed: int, count: int = 6000) -> Tokenizer:
    """The tokenizer in ``work/tokenizer``, learned on whole scripts if it isn't there yet."""
    folder = work / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        rng = random.Random(f"tokenizer-{seed}")
        scripts = [process_script(rng) for _ in range(count)]
        scripts += [sample_irg_script(rng) for _ in range(count // 2)]
        texts = [part.text for script in scripts for part in script.parts if part.kind == "text"]
        train_tokenizer([*texts, *QUESTIONS * count, *corpus(count, seed)], folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def begin_from(folder: Path, work: Path, seed: int, *, new_words: bool = False) -> None:
    """Copies a checkpoint's weights, configs, words, autoencoder and history into an empty ``work``.

    Weights pass through memory tensor by tensor. With ``new_words``, for a world that has grown, the
    tokenizer is learned anew unless ``work`` has one, and the rows of the checkpoint's words move to where
    that has them. The optimisers start anew. Raises ``FileExistsError`` when ``work`` holds a training
    already, and ``CheckpointError`` for a folder that is not a whole checkpoint.
    """
    if (work / START).exists() or (work / "unified.state.safetensors").exists():
        raise FileExistsError(
            f"{work} already holds a training. Leave --begin-from out to go on with it, "
            f"or give another --work folder to begin from {folder}."
        )
    weights, moved = validate_folder(folder).weights, {}
    (work / "tokenizer").mkdir(parents=True, exist_ok=True)
    copy_files(folder, work, (*CONFIGS, AUTOENCODER_NAME))
    if new_words:
        old, new = Tokenizer.from_file(str(folder / "tokenizer.json")), make_tokenizer(work, seed)
        tables = {name: weights.tensor(name) for name in (EMBEDDING, LM_HEAD) if name in weights.stored}
        moved = move_word_rows(tables, old, new, rows(new))
    else:
        copy_files(folder, work / "tokenizer", FILES)
    if past := provenance.read(folder):
        provenance.write(work, past)

    def tensors() -> Iterator[tuple[str, Tensor]]:
        for name in weights.stored:
            yield name, moved[name] if name in moved else weights.tensor(name)

    outline = {name: (stored.dtype, stored.shape) for name, stored in weights.stored.items()}
    outline |= {name: (table.dtype, tuple(table.shape)) for name, table in moved.items()}
    write_tensors(work / START, outline, tensors(), {"format": "pt"})  # last: what has it is a beginning


def copy_files(source: Path, target: Path, names: Sequence[str]) -> None:
    """Copies those of the files that are there."""
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def begun(work: Path) -> ValidatedFolder | None:
    """The checkpoint that ``work`` began from, opened; None where the sizes are those of :func:`sizes`."""
    if not (work / CONFIGS[0]).exists():
        return None
    return validate_files(work, [work / START], work / "tokenizer")


def check_world(work: Path) -> None:
    """Raises ``ValueError`` when ``work`` began from a model that storybook data doesn't fit."""
    has_begun = (work / CONFIGS[0]).exists()
    if has_begun and read_optional_json(work / "config.json").get("world") != EXTRAS["world"]:
        raise ValueError(
            f"{work} began from a checkpoint that isn't a storybook model, and storybook data fits "
            "no other. Nothing was changed; name a folder of one's own pictures with --pictures."
        )


def load_tokenizer(work: Path, seed: int) -> CheckpointTokenizer:
    """The tokenizer of ``work``; learned if ``work`` has none and didn't begin from a checkpoint."""
    if not (work / CONFIGS[0]).exists():
        make_tokenizer(work, seed)
    return CheckpointTokenizer.load(work / "tokenizer")


def load_autoencoder(work: Path, device: str) -> Autoencoder:
    """The autoencoder of ``work`` in float32. Raises ``FileNotFoundError`` when it isn't trained yet."""
    opened = begun(work)
    model = Autoencoder(opened.autoencoder if opened else AUTOENCODER)
    model.load_state_dict(load_file(work / AUTOENCODER_NAME))
    return model.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def own_pictures(
    folder: Path, work: Path, encode: Callable[[str], Sequence[int]], device: str
) -> ConversationSampler:
    """Samples from a folder in the public interleaved format.

    Pictures are resized by the checkpoint's own rules and encoded by its autoencoder, on ``device``.
    """
    from engine.lab.training.conversations import (  # pyarrow: only here
        ConversationSampler,
        read_conversations,
    )

    opened, autoencoder = begun(work), load_autoencoder(work, device)

    @torch.no_grad()
    def latent(pixels: Tensor) -> Tensor:
        return autoencoder.encode(pixels[None].to(device))[0].cpu()

    names = ("vae_transform", "vit_transform")
    extras: Mapping[str, Any] = EXTRAS
    if opened:
        extras = dict(zip(names, transforms(opened.config), strict=True)) | opened.extras
    target, look = (Transform(*extras[name]) for name in names)
    return ConversationSampler(list(read_conversations(folder)), encode, latent, target, look)


def rows(tokenizer: Tokenizer) -> int:
    """Rows of the word tables: the vocabulary, rounded up to a multiple of 32."""
    return -(-tokenizer.get_vocab_size() // 32) * 32


def new_model(work: Path, seed: int, precision: str = "float32") -> Bagel:
    """The weights that ``work`` began with, read in ``precision`` piece by piece; fresh ones if with none."""
    if opened := begun(work):
        return load_checkpoint(opened, "cpu", precision).model.requires_grad_(True).train()
    model = Bagel.random(sizes(rows(make_tokenizer(work, seed))), seed)
    if (work / START).exists():
        model.load_state_dict(load_file(work / START))
    return model
