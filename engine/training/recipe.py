"""The recipe of the default checkpoint: its sizes, its seeds and the order of its stages."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from engine.checkpoints.special_tokens import SpecialTokens
from engine.inference.preprocess import Transform
from engine.model.autoencoder import Autoencoder
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig
from engine.training import history
from engine.training.autoencoder import CONFIG as AUTOENCODER
from engine.training.data.irg import QUESTIONS, sample_irg_script
from engine.training.data.process import process_script
from engine.training.shards import SEEN_SIDE
from engine.training.tokenizer import move_words, train_tokenizer
from engine.world.corpus import corpus

if TYPE_CHECKING:
    from engine.training.conversations import ConversationMaker

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


def make_tokenizer(work: Path, seed: int, lessons: int = 6000) -> Tokenizer:
    """The tokenizer in ``work/tokenizer``, learned on whole scripts if it isn't there yet."""
    folder = work / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        rng = random.Random(f"tokenizer-{seed}")
        scripts = [process_script(rng) for _ in range(lessons)]
        scripts += [sample_irg_script(rng) for _ in range(lessons // 2)]
        texts = [part.text for script in scripts for part in script.parts if part.kind == "text"]
        train_tokenizer([*texts, *QUESTIONS * lessons, *corpus(lessons, seed)], folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def begin_from(folder: Path, work: Path, seed: int, *, new_words: bool = False) -> None:
    """Puts a checkpoint's weights, tokenizer, autoencoder and history into an empty ``work``, to go on from.

    With ``new_words``, for a world that has grown, the tokenizer is learned anew unless ``work`` has one,
    and the rows of the checkpoint's words move to where that has them. The optimisers start anew.
    Raises ``FileExistsError`` when ``work`` holds a training already.
    """
    if (work / "unified.start.safetensors").exists() or (work / "unified.state.safetensors").exists():
        raise FileExistsError(
            f"{work} already holds a training; give another --work folder to begin from {folder}."
        )
    (work / "tokenizer").mkdir(parents=True, exist_ok=True)
    if not new_words:
        for name in ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json"):
            shutil.copyfile(folder / name, work / "tokenizer" / name)
    if past := history.read(folder):
        history.write(work, past)
    weights, autoencoder = (
        {k: v.float() for k, v in load_file(folder / f"{name}.safetensors").items()} for name in ("ema", "ae")
    )
    if new_words:
        old, new = Tokenizer.from_file(str(folder / "tokenizer.json")), make_tokenizer(work, seed)
        weights = move_words(weights, old, new, rows(new))
    save_file(weights, work / "unified.start.safetensors")
    save_file(autoencoder, work / "ae.safetensors")


def special_tokens(tokenizer: Tokenizer) -> SpecialTokens:
    find = tokenizer.token_to_id
    return SpecialTokens(
        bos=find("<|im_start|>"),
        eos=find("<|im_end|>"),
        start_of_image=find("<|vision_start|>"),
        end_of_image=find("<|vision_end|>"),
        end_of_text=find("<|endoftext|>"),
    )


def load_autoencoder(work: Path, device: str) -> Autoencoder:
    """The trained autoencoder of ``work``. Raises ``FileNotFoundError`` when it isn't trained yet."""
    model = Autoencoder(AUTOENCODER)
    model.load_state_dict(load_file(work / "ae.safetensors"))
    return model.to(device, memory_format=torch.channels_last).eval()


def own_pictures(folder: Path, work: Path, encode: Callable[[str], Sequence[int]]) -> ConversationMaker:
    """Samples from a folder in the public interleaved format, pictures encoded by ``work``'s autoencoder."""
    from engine.training.conversations import ConversationMaker, read_conversations  # pyarrow: only here

    autoencoder = load_autoencoder(work, "cpu")

    @torch.inference_mode()
    def latent(pixels: Tensor) -> Tensor:
        return autoencoder.encode(pixels[None])[0].clone()

    target, look = (Transform(*EXTRAS[name]) for name in ("vae_transform", "vit_transform"))
    return ConversationMaker(list(read_conversations(folder)), encode, latent, target, look)


def rows(tokenizer: Tokenizer) -> int:
    """Rows of the word tables: the vocabulary, rounded up to a multiple of 32."""
    return -(-tokenizer.get_vocab_size() // 32) * 32


def new_model(tokenizer: Tokenizer, seed: int, start: Path | None = None) -> Bagel:
    """Fresh weights, or those of the file ``start``."""
    model = Bagel.random(sizes(rows(tokenizer)), seed)
    if start is not None and start.exists():
        model.load_state_dict(load_file(start))
    return model
