"""What a model takes on a card: weights by part, counted; contexts and working memory, estimated.

Counted means added up over every parameter and buffer in its final form. The estimates are arithmetic over
sizes; the constants of the autoencoder come from tracing one at 1024x1024 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from engine.checkpoints.components import component_of
from engine.checkpoints.precision import compute_dtype
from engine.checkpoints.quantise.convert import FORMATS, convert
from engine.checkpoints.sizes import EMBEDDING, LM_HEAD
from engine.checkpoints.validated_folder import ValidatedFolder
from engine.inference.decoding import TEXT_BUFFER_TOKENS
from engine.model.autoencoder import Autoencoder
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig
from engine.placement.profiles import Profile

GIB = 2**30
PAST = 9000
"""Tokens of context beside the picture being drawn: an edited 1024x1024 picture, and its prompt."""

ROUND = 250
"""Tokens of text that a context holds for each of its pictures: the plan and the inspection."""

AUTOENCODER = 14
"""Values at once for each pixel and channel of the first level, while a picture is encoded (decoded: 9)."""


@dataclass(frozen=True)
class Need:
    """Bytes by use, on the card and on the host, for one profile."""

    card: dict[str, int]
    host: dict[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.card.values())


def need(opened: ValidatedFolder, profile: Profile, device: str) -> Need:
    """The memory that ``profile`` takes for the largest picture the checkpoint's own settings draw."""
    weights = _weights(opened, profile, device)
    host = {"word table": weights.pop("word table")} if _words_on_host(opened, profile) else {}
    working = _working(opened, profile, device)
    return Need({**weights, "contexts kept": profile.context_bytes, **working}, host)


def pictures_that_fit(opened: ValidatedFolder, profile: Profile, device: str, room: int, most: int) -> int:
    """How many pictures of the usual size, up to ``most``, a context may hold in ``room`` bytes."""
    counts = range(most, 0, -1)
    return next((n for n in counts if room_for(opened, profile, device, pictures=n) <= room), 0)


def room_for(opened: ValidatedFolder, profile: Profile, device: str, *, pictures: int) -> int:
    """Bytes beside the weights for a context of so many pictures of the usual size, and the next one.

    While that is drawn, keys and values lie there twice: as they are kept, and in one piece with the new rows
    of three branches at most. Nothing is coded meanwhile.
    """
    config, (height, width) = opened.config, picture_size(opened)
    cells = height * width // config.latent_downsample**2 + 2
    seen = min(height * width // config.vision.patch_size**2, config.vit_side**2) + 2
    token = _a_token(opened, profile, device)
    context = pictures * (cells + seen + ROUND) * token
    drawing = _drawing(opened, profile, device, cells) + context + 3 * cells * token
    return max(profile.context_bytes, context) + max(drawing, _coding(opened, profile, device))


def picture_size(opened: ValidatedFolder) -> tuple[int, int]:
    """(height, width) in pixels of the picture that is drawn when nobody says otherwise."""
    side = min(1024, opened.config.latent_side * opened.config.latent_downsample)
    return tuple(opened.extras.get("default_image_size", (side, side)))


def _weights(opened: ValidatedFolder, profile: Profile, device: str) -> dict[str, int]:
    dtype = compute_dtype(profile.precision, device)
    head = profile.head and opened.head_fits
    found: dict[str, int] = {}
    for name, count, kept in _tensors(opened.config, profile.precision, head):
        if name == LM_HEAD and opened.tied:
            continue
        part = "word table" if name == EMBEDDING and _words_on_host(opened, profile) else component_of(name)
        each = dtype.itemsize if kept == torch.float32 else kept.itemsize
        found[part] = found.get(part, 0) + count * each
    with torch.device("meta"):
        pixels = sum(value.numel() for value in Autoencoder(opened.autoencoder).state_dict().values())
    return {**found, "autoencoder": pixels * _pixel_bytes(profile, device)}


def _words_on_host(opened: ValidatedFolder, profile: Profile) -> bool:
    """A table that is the word head too stays on the card: there it is multiplied with."""
    return profile.embeddings_on_host and not opened.tied


@lru_cache(maxsize=8)
def _tensors(config: BagelConfig, precision: str, head: bool) -> list[tuple[str, int, torch.dtype]]:
    """Name, size and dtype of every tensor of a model; float32 stands for whatever is not quantised."""
    with torch.device("meta"):
        model = Bagel(config)
    if precision in FORMATS:
        convert(model, precision, head=head)
    return [(name, value.numel(), value.dtype) for name, value in model.state_dict().items()]


def _pixel_bytes(profile: Profile, device: str) -> int:
    """The autoencoder stays float32 on processors."""
    return 4 if torch.device(device).type == "cpu" else compute_dtype(profile.precision, device).itemsize


def _working(opened: ValidatedFolder, profile: Profile, device: str) -> dict[str, int]:
    height, width = picture_size(opened)
    tokens = height * width // opened.config.latent_downsample**2 + 2
    past = min(PAST, 2 * tokens + 500)
    key_values = _a_token(opened, profile, device)
    # A longer text has buffers of its own, no larger than a picture's, and no picture is drawn meanwhile.
    writing = (
        {"room for a text": TEXT_BUFFER_TOKENS * key_values} if torch.device(device).type == "cuda" else {}
    )
    # In turn too, each branch has a place for its new rows; what they go on from is shared.
    rows = max(_branches(profile) * (tokens + past), past + 3 * tokens)
    drawing = rows * key_values + _drawing(opened, profile, device, tokens)
    # One after the other: drawing has given its memory back when the autoencoder begins.
    return writing | {"drawing or coding a picture": max(drawing, _coding(opened, profile, device))}


def _branches(profile: Profile) -> int:
    """How many branches of guidance run at once."""
    return 1 if profile.sequential_guidance else 3


def _drawing(opened: ValidatedFolder, profile: Profile, device: str, tokens: int) -> int:
    language = opened.config.language
    inner = 8 * language.hidden_size + 3 * language.intermediate_size
    return _branches(profile) * tokens * inner * compute_dtype(profile.precision, device).itemsize


def _coding(opened: ValidatedFolder, profile: Profile, device: str) -> int:
    height, width = picture_size(opened)
    pixels = min(height * width, profile.tile**2 if profile.tile else height * width)
    return pixels * opened.autoencoder.ch * AUTOENCODER * _pixel_bytes(profile, device)


def _a_token(opened: ValidatedFolder, profile: Profile, device: str) -> int:
    """Bytes of the keys and values of one token of a context."""
    language = opened.config.language
    each = compute_dtype(profile.precision, device).itemsize
    return 2 * language.num_layers * language.num_kv_heads * language.head_dim * each
