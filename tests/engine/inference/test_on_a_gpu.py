"""The real code on a fake GPU (:mod:`tests.fake_gpu`): nothing meets it that a GPU would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import pytest
import torch
from bitsandbytes.functional import quantize_blockwise
from PIL import Image

from engine.checkpoints.reader import Checkpoint, load_checkpoint
from engine.core.settings import Settings
from engine.inference import pictures
from engine.inference.context_cache import ContextCache
from engine.inference.decoding import CudaGraphDecoder, EagerDecoder
from engine.inference.flow import Guidance, sample
from engine.inference.painter import Painter
from engine.inference.prefill import Context, ContextItem, TextTokens, VaeImage, VitImage
from engine.inference.runtime_config import RuntimeConfig
from engine.model.bagel import Bagel
from engine.placement.speed_probe import seconds_per_picture
from tests.fake_gpu import GPU, ClashError, Watched
from tests.tiny import CKPT

WORDS = TextTokens((5, 6, 7))


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    quantize_blockwise(torch.zeros(64))  # makes a table that bitsandbytes keeps: not one without numbers
    with Watched():
        yield


@cache
def load(precision: str = "bf16", **how) -> Checkpoint:
    return load_checkpoint(CKPT, str(GPU), precision, **how)


def picture(checkpoint: Checkpoint) -> list[ContextItem]:
    image = Image.new("RGB", (48, 32))
    return [
        VaeImage("one", lambda: pictures.encode(checkpoint.autoencoder, image)),
        VitImage("one", lambda: torch.zeros(3, 28, 42)),
    ]


def read(checkpoint: Checkpoint, *stories: Sequence[ContextItem]) -> list[Context]:
    """The contexts, by way of the computer's own memory."""
    cache = ContextCache(checkpoint.model, checkpoint.tokenizer.tokens, 0, 2**30)
    cache.build_all(stories)
    assert not cache.device.bytes and cache.host.bytes
    return cache.build_all(stories)[0]


def draw(
    checkpoint: Checkpoint, contexts: Sequence[Context], *, sequential_guidance: bool, draft: bool
) -> None:
    """A few updates after two or three contexts."""
    *_, last = sample(
        checkpoint.model,
        checkpoint.tokenizer.tokens,
        torch.randn(6, checkpoint.model.config.latent_values),
        (2, 3),
        contexts[0],
        text_free=contexts[1],
        image_free=contexts[-1],
        guidance=Guidance(4.0, 2.0 if len(contexts) > 2 else 1.0, 0.8),
        timesteps=8 if draft else 4,
        shift=1.0,
        extrapolate=draft,
        sequential_guidance=sequential_guidance,
    )
    assert last.x.device == GPU and last.x.dtype == torch.float32


def write(checkpoint: Checkpoint, context: Context) -> None:
    """A token in both ways."""
    for kind in (EagerDecoder, CudaGraphDecoder):
        decoder = kind(checkpoint.model)
        decoder.begin(context, 2)
        logits = decoder.feed(3)
        assert logits.device == GPU and logits.dtype == torch.float32
        decoder.end()


@pytest.mark.parametrize("precision", ["bf16", "nf4", "fp8", "int8"])
def test_a_round_of_reading_drawing_and_writing(precision: str) -> None:
    checkpoint = load(precision)
    seen = [WORDS, *picture(checkpoint)]
    condition, text_free, image_free = read(checkpoint, [*seen, WORDS], seen, [WORDS])
    for segment in condition.segments:
        assert segment.keys.device == segment.last_hidden.device == GPU
        assert segment.keys.dtype == checkpoint.model.dtype == torch.bfloat16
    logits = checkpoint.model.language_model.logits(condition.segments[-1].last_hidden[None])
    assert logits.dtype == torch.float32 and logits.device == GPU
    draw(checkpoint, [condition, text_free, image_free], sequential_guidance=False, draft=False)
    write(checkpoint, condition)


def test_sequential_guidance_and_drafts() -> None:
    checkpoint = load()
    contexts = read(checkpoint, [WORDS], [])
    draw(checkpoint, contexts, sequential_guidance=True, draft=False)
    draw(checkpoint, contexts, sequential_guidance=False, draft=True)


@pytest.mark.parametrize("tile", [None, 16])
def test_the_autoencoder_codes_pictures_with_and_without_tiles(tile: int | None) -> None:
    checkpoint = load(tile=tile)
    latent = pictures.encode(checkpoint.autoencoder, Image.new("RGB", (48, 32)))
    assert latent.shape == (16, 4, 6) and latent.device == GPU
    decoded = checkpoint.autoencoder.decode(latent[None].bfloat16())
    assert decoded.shape == (1, 3, 32, 48) and decoded.dtype == torch.bfloat16


def test_the_token_embeddings_may_stay_on_the_host() -> None:
    checkpoint = load("nf4", head=True, embeddings_on_host=True, tile=16)
    assert checkpoint.model.language_model.model.embed_tokens.weight.device.type == "cpu"
    tokens, size = checkpoint.tokenizer.tokens, (32, 48)
    seconds_per_picture(
        checkpoint.model, checkpoint.autoencoder, tokens, Settings(), size, sequential_guidance=True
    )
    (context,) = read(checkpoint, [*picture(checkpoint), WORDS])
    write(checkpoint, context)


def test_a_painter_is_made_and_shows_previews() -> None:
    painter = Painter(load(), str(GPU), RuntimeConfig(cuda_graph_text=True))
    assert isinstance(painter.token_decoder, CudaGraphDecoder)
    assert painter.preview.picture(torch.zeros(16, 4, 6, device=GPU)).size == (24, 16)


def test_a_gpu_refuses_what_lies_elsewhere_and_other_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the tests above can fail."""
    checkpoint = load()
    with monkeypatch.context() as patch:
        patch.setattr(Bagel, "device", torch.device("cpu"))
        with pytest.raises(ClashError, match="cpu"):
            read(checkpoint, [WORDS])
    with pytest.raises(RuntimeError, match="BFloat16"):
        checkpoint.autoencoder.decode(torch.zeros(1, 16, 4, 6, device=GPU))
    with pytest.raises(RuntimeError):
        int(torch.zeros(3, device=GPU).argmax())
