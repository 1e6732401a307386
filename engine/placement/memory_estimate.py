"""The memory a model takes on a device: weights are counted, contexts and working memory estimated.

Weights are counted over every parameter and buffer in its final form. The estimates are arithmetic over
sizes; the autoencoder's constant comes from tracing one at 1024x1024 pixels.
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
PAST_TOKENS = 9000
"""Tokens of context beside the picture being drawn: an edited 1024x1024 picture, and its prompt."""

TEXT_TOKENS_A_PICTURE = 250
"""Tokens of text that a context holds for each of its pictures: the plan and the inspection."""

AUTOENCODER_VALUES = 14
"""Values at once for each pixel and channel of the first level while a picture is encoded (decoded: 9)."""

EMBEDDINGS = "token embeddings"


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes by use for one profile, on the device and in host memory."""

    on_device: dict[str, int]
    on_host: dict[str, int]

    @property
    def bytes(self) -> int:
        """Bytes on the device together."""
        return sum(self.on_device.values())


def estimate_memory(folder: ValidatedFolder, profile: Profile, device: str) -> MemoryEstimate:
    """The memory that ``profile`` takes for the largest picture the checkpoint's own settings draw."""
    weights = _weights(folder, profile, device)
    on_host = {EMBEDDINGS: weights.pop(EMBEDDINGS)} if _embeddings_on_host(folder, profile) else {}
    working = _working(folder, profile, device)
    return MemoryEstimate({**weights, "contexts kept": profile.context_bytes, **working}, on_host)


def pictures_that_fit(folder: ValidatedFolder, profile: Profile, device: str, room: int, most: int) -> int:
    """How many pictures of the usual size, up to ``most``, a context may hold in ``room`` bytes."""
    counts = range(most, 0, -1)
    return next((n for n in counts if working_memory(folder, profile, device, pictures=n) <= room), 0)


def working_memory(folder: ValidatedFolder, profile: Profile, device: str, *, pictures: int) -> int:
    """Bytes beside the weights for a context of so many pictures of the usual size, and the next one.

    While that is drawn, keys and values are there twice: as segments, and in one piece with the new rows of
    at most three contexts. No picture is encoded or decoded meanwhile.
    """
    config, (height, width) = folder.config, picture_size(folder)
    vae_tokens = height * width // config.latent_downsample**2 + 2
    vit_tokens = min(height * width // config.vision.patch_size**2, config.vit_side**2) + 2
    token = _token_bytes(folder, profile, device)
    context = pictures * (vae_tokens + vit_tokens + TEXT_TOKENS_A_PICTURE) * token
    drawing = _drawing(folder, profile, device, vae_tokens) + context + 3 * vae_tokens * token
    return max(profile.context_bytes, context) + max(drawing, _coding(folder, profile, device))


def picture_size(folder: ValidatedFolder) -> tuple[int, int]:
    """(height, width) in pixels of the picture that is drawn when nothing else is asked for."""
    side = min(1024, folder.config.latent_side * folder.config.latent_downsample)
    height, width = folder.extras.get("default_image_size", (side, side))
    return height, width


def _weights(folder: ValidatedFolder, profile: Profile, device: str) -> dict[str, int]:
    dtype = compute_dtype(profile.precision, device)
    head = profile.head and folder.head_fits
    found: dict[str, int] = {}
    for name, count, stored in _tensors(folder.config, profile.precision, head):
        if name == LM_HEAD and folder.tied:
            continue
        on_host = name == EMBEDDING and _embeddings_on_host(folder, profile)
        component = EMBEDDINGS if on_host else component_of(name)
        itemsize = dtype.itemsize if stored == torch.float32 else stored.itemsize
        found[component] = found.get(component, 0) + count * itemsize
    with torch.device("meta"):
        values = sum(value.numel() for value in Autoencoder(folder.autoencoder).state_dict().values())
    return {**found, "autoencoder": values * _autoencoder_itemsize(profile, device)}


def _embeddings_on_host(folder: ValidatedFolder, profile: Profile) -> bool:
    """Embeddings that are the LM head too stay on the GPU, which multiplies with them."""
    return profile.embeddings_on_host and not folder.tied


@lru_cache(maxsize=8)
def _tensors(config: BagelConfig, precision: str, head: bool) -> list[tuple[str, int, torch.dtype]]:
    """Name, size and dtype of every tensor of a model; float32 stands for whatever is not quantised."""
    with torch.device("meta"):
        model = Bagel(config)
    if precision in FORMATS:
        convert(model, precision, head=head)
    return [(name, value.numel(), value.dtype) for name, value in model.state_dict().items()]


def _autoencoder_itemsize(profile: Profile, device: str) -> int:
    """The autoencoder stays float32 on CPUs."""
    return 4 if torch.device(device).type == "cpu" else compute_dtype(profile.precision, device).itemsize


def _working(folder: ValidatedFolder, profile: Profile, device: str) -> dict[str, int]:
    height, width = picture_size(folder)
    tokens = height * width // folder.config.latent_downsample**2 + 2
    past = min(PAST_TOKENS, 2 * tokens + 500)
    token = _token_bytes(folder, profile, device)
    # A longer text has buffers of its own, no larger than a picture's, and no picture is drawn meanwhile.
    on_cuda = torch.device(device).type == "cuda"
    text = {"room for a text": TEXT_BUFFER_TOKENS * token} if on_cuda else {}
    # Sequential guidance too has room for the new rows of each context; the past they go on from is shared.
    rows = max(_contexts_at_once(profile) * (tokens + past), past + 3 * tokens)
    drawing = rows * token + _drawing(folder, profile, device, tokens)
    # One after the other: drawing has given its memory back when the autoencoder begins.
    return text | {"drawing or coding a picture": max(drawing, _coding(folder, profile, device))}


def _contexts_at_once(profile: Profile) -> int:
    """How many contexts of guidance run in one pass."""
    return 1 if profile.sequential_guidance else 3


def _drawing(folder: ValidatedFolder, profile: Profile, device: str, tokens: int) -> int:
    language = folder.config.language
    inner = 8 * language.hidden_size + 3 * language.intermediate_size
    return _contexts_at_once(profile) * tokens * inner * compute_dtype(profile.precision, device).itemsize


def _coding(folder: ValidatedFolder, profile: Profile, device: str) -> int:
    height, width = picture_size(folder)
    pixels = min(height * width, profile.tile**2 if profile.tile else height * width)
    return pixels * folder.autoencoder.ch * AUTOENCODER_VALUES * _autoencoder_itemsize(profile, device)


def _token_bytes(folder: ValidatedFolder, profile: Profile, device: str) -> int:
    """Bytes of the keys and values of one token of a context."""
    language = folder.config.language
    itemsize = compute_dtype(profile.precision, device).itemsize
    return 2 * language.num_layers * language.num_kv_heads * language.head_dim * itemsize
