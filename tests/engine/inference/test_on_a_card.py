"""The real code on a card without numbers (:mod:`tests.card`): nothing meets it that a card would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import pytest
import torch
from PIL import Image

from engine.checkpoints.reader import Checkpoint, load_checkpoint
from engine.inference import pictures
from engine.inference.contexts import ContextCache
from engine.inference.decoding import PlainSteps, StaticSteps
from engine.inference.flow import Guidance, sample
from engine.inference.painter import Painter
from engine.inference.prefill import CleanItem, Context, Item, SeenItem, TextItem
from engine.inference.probe import seconds_a_picture
from engine.inference.running import Running
from engine.model.bagel import Bagel
from engine.settings import Settings
from tests.card import CARD, Clash, Watched
from tests.tiny import CKPT

WORDS = TextItem((5, 6, 7))
PRECISIONS = ("bf16", "float32", "nf4", "fp8", "int8")


@pytest.fixture(autouse=True)
def card() -> Iterator[None]:
    with Watched():
        yield


@cache
def load(precision: str = "bf16", **how) -> Checkpoint:
    return load_checkpoint(CKPT, str(CARD), precision, **how)


def picture(checkpoint: Checkpoint) -> list[Item]:
    image = Image.new("RGB", (48, 32))
    return [
        CleanItem("one", lambda: pictures.encode(checkpoint.autoencoder, image)),
        SeenItem("one", lambda: torch.zeros(3, 28, 42)),
    ]


def read(checkpoint: Checkpoint, *stories: Sequence[Item]) -> list[Context]:
    """The contexts, by way of the computer's own memory."""
    cache = ContextCache(checkpoint.model, checkpoint.tokenizer.tokens, 0, 2**30)
    cache.build_all(stories)
    assert not cache.near.bytes and cache.far.bytes
    return cache.build_all(stories)[0]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_texts_and_pictures_are_read_and_come_back_from_the_host(precision: str) -> None:
    checkpoint = load(precision)
    (context,) = read(checkpoint, [WORDS, *picture(checkpoint), WORDS])
    for segment in context.segments:
        assert segment.keys.device == segment.last_hidden.device == CARD
        assert segment.keys.dtype == checkpoint.model.dtype
    logits = checkpoint.model.language_model.logits(context.segments[-1].last_hidden[None])
    assert logits.dtype == torch.float32 and logits.device == CARD


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize("draft", [False, True])
def test_a_picture_is_drawn_by_three_branches(precision: str, in_turn: bool, draft: bool) -> None:
    checkpoint = load(precision)
    condition, text_free, image_free = read(
        checkpoint, [*picture(checkpoint), WORDS], picture(checkpoint), [WORDS]
    )
    *_, last = sample(
        checkpoint.model,
        checkpoint.tokenizer.tokens,
        torch.randn(6, checkpoint.model.config.latent_values),
        (2, 3),
        condition,
        text_free=text_free,
        image_free=image_free,
        guidance=Guidance(4.0, 2.0, 0.4),
        timesteps=8,
        shift=3.0,
        extrapolate=draft,
        in_turn=in_turn,
    )
    assert last.x.device == CARD and last.x.dtype == torch.float32


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", [PlainSteps, StaticSteps])
def test_text_is_written_token_by_token(precision: str, kind: type) -> None:
    checkpoint = load(precision)
    (context,) = read(checkpoint, [*picture(checkpoint), WORDS])
    steps = kind(checkpoint.model)
    steps.begin(context, 4)
    for token in (3, 4):
        logits = steps.step(token)
    assert logits.device == CARD and logits.dtype == torch.float32
    steps.end()


@pytest.mark.parametrize("tile", [None, 16])
def test_the_autoencoder_codes_pictures_with_and_without_tiles(tile: int | None) -> None:
    checkpoint = load(tile=tile)
    latent = pictures.encode(checkpoint.autoencoder, Image.new("RGB", (48, 32)))
    assert latent.shape == (16, 4, 6) and latent.device == CARD
    decoded = checkpoint.autoencoder.decode(latent[None].bfloat16())
    assert decoded.shape == (1, 3, 32, 48) and decoded.dtype == torch.bfloat16


def test_the_word_table_may_lie_on_the_host() -> None:
    checkpoint = load("nf4", head=True, embeddings_on_host=True, tile=16)
    assert checkpoint.model.language_model.model.embed_tokens.weight.device.type == "cpu"
    tokens, size = checkpoint.tokenizer.tokens, (32, 48)
    seconds_a_picture(checkpoint.model, checkpoint.autoencoder, tokens, Settings(), size, in_turn=True)
    (context,) = read(checkpoint, [*picture(checkpoint), WORDS])
    for kind in (PlainSteps, StaticSteps):
        steps = kind(checkpoint.model)
        steps.begin(context, 2)
        steps.step(3)


def test_a_painter_is_made_and_shows_previews() -> None:
    painter = Painter(load(), str(CARD), Running(static_text=True))
    assert isinstance(painter.steps, StaticSteps)
    assert painter.preview.picture(torch.zeros(16, 4, 6, device=CARD)).size == (24, 16)


def test_a_card_refuses_what_lies_elsewhere_and_other_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the tests above can fail."""
    checkpoint = load()
    with monkeypatch.context() as patch:
        patch.setattr(Bagel, "device", torch.device("cpu"))
        with pytest.raises(Clash, match="cpu"):
            read(checkpoint, [WORDS])
    with pytest.raises(Clash, match="float32"):
        checkpoint.autoencoder.decode(torch.zeros(1, 16, 4, 6, device=CARD))
    with pytest.raises(RuntimeError):
        int(torch.zeros(3, device=CARD).argmax())
