"""The guidance batch: one copy of what contexts share, no padding, and no noise in a cache."""

from __future__ import annotations

import pytest
import torch

from engine.inference.guidance_batch import GuidanceBatch, allocate_slots
from engine.inference.prefill import Context
from tests.tiny import checkpoint, new_cache, picture, text


def contexts() -> list[Context]:
    """A condition, the same without its last text, one that shares nothing, and an empty one."""
    shared = [text("A red car"), *picture(1)]
    wishes = [[*shared, text("at night")], shared, [text("at night")], []]
    return new_cache().build_all(wishes)[0]


def batch(wanted: list[Context], **how: bool) -> GuidanceBatch:
    return GuidanceBatch(checkpoint().model, checkpoint().tokenizer.tokens, wanted, 2, 3, **how)


NOISE = torch.randn(6, 64, generator=torch.Generator().manual_seed(0))


def test_a_context_that_begins_another_is_not_stored_twice() -> None:
    whole, start, other, empty = contexts()
    room = 8
    held = {
        slot.keys.untyped_storage().data_ptr(): slot.keys
        for slot in allocate_slots(checkpoint().model, [whole, start], room)
    }
    (only,) = held.values()
    tokens = only.untyped_storage().nbytes() // (only[:, :, :1].numel() * only.element_size())
    assert tokens == whole.length + 2 * room
    assert [
        slot.keys.shape[2] for slot in allocate_slots(checkpoint().model, [other, empty, whole, start], room)
    ] == [context.length + room for context in (other, empty, whole, start)]


@pytest.mark.parametrize("sequential_guidance", [False, True])
def test_each_context_is_as_if_it_were_alone(sequential_guidance: bool) -> None:
    wanted = contexts()
    together = batch(wanted, sequential_guidance=sequential_guidance).states(NOISE, 0.7)
    for number, context in enumerate(wanted):
        for mine, alone in zip(together, batch([context]).states(NOISE, 0.7), strict=True):
            assert torch.allclose(mine[number], alone[0], atol=2e-5)


def test_only_the_wanted_contexts_run() -> None:
    both = batch(contexts())
    assert torch.allclose(both.states(NOISE, 0.7, [2])[1][0], both.states(NOISE, 0.7)[1][2], atol=2e-5)


def test_a_second_pass_finds_nothing_of_the_first() -> None:
    used = batch(contexts())
    used.states(100 * NOISE, 1.0)
    assert torch.equal(used.states(NOISE, 0.7)[1], batch(contexts()).states(NOISE, 0.7)[1])


def test_noise_never_reaches_a_cached_segment() -> None:
    wanted = contexts()
    before = [segment.keys.clone() for segment in wanted[0].segments]
    batch(wanted).states(NOISE, 0.7)
    assert all(torch.equal(a, b.keys) for a, b in zip(before, wanted[0].segments, strict=True))
