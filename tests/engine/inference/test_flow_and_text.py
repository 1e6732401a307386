"""Flow sampling and text decoding: passes counted, cancelling, seeds, streaming."""

from __future__ import annotations

import itertools

import pytest
import torch

from engine.inference.decoding import EagerDecoder
from engine.inference.flow import Guidance, sample, schedule
from engine.inference.prefill import Context
from engine.inference.text import IncrementalDetokenizer, decode
from tests.tiny import checkpoint, new_cache, picture, text


def draw(guidance: Guidance, *, image_free: Context | None = None, timesteps: int = 5):
    one, cache = checkpoint(), new_cache()
    condition, _ = cache.build([text("A red car"), *picture(1), text("at night")])
    text_free, _ = cache.build([text("A red car"), *picture(1)])
    noise = torch.randn(6, 64, generator=torch.Generator().manual_seed(0))
    return sample(
        one.model,
        one.tokenizer.tokens,
        noise,
        (2, 3),
        condition,
        text_free=text_free,
        image_free=image_free or condition,
        guidance=guidance,
        timesteps=timesteps,
        shift=3.0,
    )


def test_equal_contexts_share_a_pass() -> None:
    other, _ = new_cache().build([text("at night")])
    last = [*draw(Guidance(4.0, 1.5))][-1]
    assert last.forwards == 2 * 4, "an image-free context that equals the condition costs nothing"
    assert [*draw(Guidance(4.0, 1.5), image_free=other)][-1].forwards == 3 * 4
    assert [*draw(Guidance(1.0, 1.5), image_free=other)][-1].forwards == 4
    assert [*draw(Guidance(4.0, 1.0), image_free=other)][-1].forwards == 2 * 4


def test_a_shared_pass_does_not_change_the_picture() -> None:
    same, _ = new_cache().build([text("A red car"), *picture(1), text("at night")])
    shared, effective = [*draw(Guidance(4.0, 1.5))][-1].x, [*draw(Guidance(5.5))][-1].x
    assert torch.allclose(shared, [*draw(Guidance(4.0, 1.5), image_free=same)][-1].x, atol=1e-5)
    assert torch.allclose(shared, effective, atol=1e-4), "1 + k*(g-1) when both contexts are equal"


def test_guidance_is_active_only_inside_its_interval() -> None:
    last = [*draw(Guidance(4.0, low=0.8, high=1.0))][-1]
    inside = sum(0.8 < t <= 1.0 for t in schedule(5, 3.0)[:-1].tolist())
    assert 0 < inside < 4 and last.forwards == 4 + inside


def test_every_update_is_yielded_and_stopping_stops() -> None:
    taken = list(itertools.islice(draw(Guidance(4.0), timesteps=100), 3))
    assert [u.index for u in taken] == [1, 2, 3] and taken[0].total == 99
    assert taken[-1].forwards == 6


def test_the_estimate_ends_where_the_flow_ends() -> None:
    updates = [*draw(Guidance(2.0))]
    assert torch.equal(updates[-1].estimate, updates[-1].x) and updates[-1].t_next == 0


def test_unknown_renormalisation_is_refused() -> None:
    with pytest.raises(ValueError, match="local"):
        Guidance(renorm="local")


def test_an_image_beyond_the_grid_is_refused() -> None:
    one = checkpoint()
    with pytest.raises(ValueError, match="larger than the 64x64"):
        next(
            sample(
                one.model,
                one.tokenizer.tokens,
                torch.zeros(65, 64),
                (1, 65),
                Context(),
                text_free=Context(),
                image_free=Context(),
                guidance=Guidance(),
                timesteps=3,
                shift=1.0,
            )
        )


def written(temperature: float, seed: int, tokens: int = 12) -> list[int]:
    one = checkpoint()
    context, _ = new_cache().build([text("A red car")])
    steps = decode(
        EagerDecoder(one.model),
        one.tokenizer.tokens,
        context,
        max_new_tokens=tokens,
        temperature=temperature,
        seed=seed,
    )
    return [s.id for s in steps]


def test_sampling_follows_its_own_seed() -> None:
    torch.manual_seed(1)
    first = written(1.5, 7)
    torch.manual_seed(2)
    assert first == written(1.5, 7) and first != written(1.5, 8)
    assert written(0.0, 7) == written(0.0, 8)


def test_a_context_may_be_empty_and_a_text_may_not() -> None:
    one = checkpoint()
    assert list(decode(EagerDecoder(one.model), one.tokenizer.tokens, Context(), max_new_tokens=2))
    with pytest.raises(ValueError, match="at least 1"):
        next(decode(EagerDecoder(one.model), one.tokenizer.tokens, Context(), max_new_tokens=0))


@pytest.mark.parametrize("words", ["A red car.", "Ünïcödé 图像 🥯 done", "🥯"])
def test_streamed_pieces_never_break_a_character(words: str) -> None:
    tokenizer = checkpoint().tokenizer
    stream = IncrementalDetokenizer(tokenizer)
    pieces = [stream.add(i) for i in tokenizer.encode(words)]
    assert "".join(pieces) + stream.flush() == words
    assert not any("\ufffd" in p for p in pieces)


def test_half_a_character_at_the_end_is_not_lost() -> None:
    tokenizer = checkpoint().tokenizer
    stream = IncrementalDetokenizer(tokenizer)
    for i in tokenizer.encode("a🥯")[:-1]:
        stream.add(i)
    assert stream.flush().startswith("\ufffd")
