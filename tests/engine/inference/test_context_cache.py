"""The context cache: sharing, eviction, and the same logits however a context came about."""

from __future__ import annotations

import pytest
import torch

from engine.inference.decoding import EagerDecoder
from engine.inference.prefill import Context, ContextItem, Segment, Workspace, copy_context, prefill
from engine.inference.text import decode
from tests.tiny import checkpoint, new_cache, picture, text


def story() -> list[ContextItem]:
    return [text("A red car"), *picture(1), text("make it blue"), *picture(2), text("and now a tree")]


def logits(context: Context) -> torch.Tensor:
    one = checkpoint()
    steps = decode(EagerDecoder(one.model), one.tokenizer.tokens, context, max_new_tokens=4)
    return torch.stack([s.logits for s in steps])


def test_branches_share_their_common_segments() -> None:
    cache = new_cache()
    first, reuse = cache.build(story())
    assert reuse.reused_tokens == 0 and reuse.prefilled_tokens == first.length
    before = cache.device.bytes
    branch, reuse = cache.build([*story()[:4], text("make it green")])
    assert all(a is b for a, b in zip(first.segments[:4], branch.segments[:4], strict=True))
    assert branch.segments[4] is not first.segments[4]
    assert reuse.prefilled_tokens == branch.segments[4].length
    assert cache.device.bytes == before + branch.segments[4].bytes


def test_a_cold_build_copies_nothing_and_a_warm_one_copies_its_past_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copied, items = [], [*story(), text("and"), text("so"), text("on")]

    def counting(context: Context, *buffers: torch.Tensor, **where: int) -> None:
        copied.append(context.length)
        copy_context(context, *buffers, **where)

    monkeypatch.setattr("engine.inference.prefill.copy_context", counting)
    cache = new_cache()
    cold, _ = cache.build(items)
    assert sum(copied) == 0, "what was read last lies in the workspace already"
    copied.clear()
    cache.build([*items, *picture(3), text("more"), text("and more")])
    assert sum(copied) == cold.length
    copied.clear()
    others = [[*items, text("left")], [*items[:4], text("middle")], [*items, text("right")]]
    cache.build_all(others)
    assert sum(copied) == cold.length + sum(segment.length for segment in cold.segments[4:])


def test_a_workspace_too_small_for_what_is_read_grows() -> None:
    model, tokens = checkpoint().model, checkpoint().tokenizer.tokens
    whole, _ = new_cache().build(story())
    workspace, context = Workspace(model, capacity=4), Context()
    for item in story():
        context = Context((*context.segments, prefill(model, tokens, context, item, workspace=workspace)))
    for segment, expected in zip(context.segments, whole.segments, strict=True):
        assert torch.equal(segment.keys, expected.keys) and torch.equal(segment.values, expected.values)


def test_the_same_text_after_another_past_is_another_segment() -> None:
    cache = new_cache()
    one, _ = cache.build([text("a"), text("same")])
    two, _ = cache.build([text("b"), text("same")])
    assert one.segments[1].key != two.segments[1].key
    assert not torch.equal(one.segments[1].keys, two.segments[1].keys)


def test_a_restored_and_a_rebuilt_context_give_the_same_logits() -> None:
    cache = new_cache()
    cache.build(story())
    restored, reuse = cache.build(story())
    assert reuse.prefilled_tokens == 0
    rebuilt, reuse = new_cache().build(story())
    assert reuse.reused_tokens == 0
    assert torch.equal(logits(restored), logits(rebuilt))


def test_eviction_keeps_the_budget_and_never_the_answer() -> None:
    whole, _ = new_cache().build(story())
    total = sum(s.bytes for s in whole.segments)
    cache = new_cache(total // 2)
    kept, _ = cache.build(story())
    assert cache.device.bytes <= total // 2
    again, reuse = cache.build(story())
    assert (
        0 < reuse.reused_tokens < whole.length
        and reuse.reused_tokens + reuse.prefilled_tokens == whole.length
    )
    assert torch.equal(logits(kept), logits(again)) and torch.equal(logits(kept), logits(whole))
    assert again.segments[0] is kept.segments[0], "beginnings are evicted last"


def test_the_least_recently_used_branch_goes_first() -> None:
    parts = {name: [text("start"), text(name * 6)] for name in "xyz"}
    size = {name: [s.bytes for s in new_cache().build(items)[0].segments] for name, items in parts.items()}
    cache = new_cache(size["x"][0] + size["x"][1] + size["y"][1])
    cache.build(parts["x"])
    cache.build(parts["y"])
    cache.build(parts["x"])
    cache.build(parts["z"])
    assert cache.build(parts["x"])[1].prefilled_tokens == 0
    assert cache.build(parts["y"])[1].prefilled_tokens > 0


def test_what_is_being_read_counts_against_the_budget_from_its_first_segment() -> None:
    other = [text("another"), *picture(3), text("branch")]
    cache = new_cache(size(story()), host_bytes=2**30)
    cache.build(other)
    before, seen = cache.device.bytes, []

    def look() -> None:
        seen.append((cache.device.bytes, cache.host.bytes))

    whole, _ = cache.build(story(), look)
    assert seen[0] == (before, 0), "nothing leaves before it has to"
    assert seen[-1][0] < before, "the other branch leaves while this one is read, and not after"
    kept = sum(segment.bytes for segment in whole.segments)
    assert cache.device.bytes == kept <= cache.device.budget and cache.host.bytes == before
    shared = new_cache(kept)
    shared.build(story())
    _, reuse = shared.build_all([[*story(), text("more")], story()[:4], [text("more")]])
    assert reuse.reused_tokens == whole.length, "what a later wish needs does not leave for an earlier one"


def test_extending_a_context_leaves_it_alone() -> None:
    cache = new_cache()
    base, _ = cache.build([text("A red car")])
    before = logits(base)
    cache.build([text("A red car"), *picture(3)])
    logits(base)
    assert len(base.segments) == 1 and torch.equal(before, logits(base))


def test_a_segment_does_not_keep_its_whole_past_in_memory() -> None:
    context, _ = new_cache().build(story())
    for segment in context.segments:
        assert segment.keys.untyped_storage().nbytes() == segment.keys.numel() * 4


def size(items: list[ContextItem]) -> int:
    return sum(segment.bytes for segment in new_cache().build(items)[0].segments)


def test_what_does_not_fit_beside_the_model_waits_in_host_memory() -> None:
    total = size(story())
    cache = new_cache(total // 3, host_bytes=total)
    first, _ = cache.build(story())
    assert 0 < cache.device.bytes <= total // 3 and cache.device.bytes + cache.host.bytes == total
    again, reuse = cache.build(story())
    assert reuse.prefilled_tokens == 0 and reuse.reused_tokens == first.length
    assert torch.equal(logits(first), logits(again))
    assert cache.device.bytes + cache.host.bytes == total, "nothing is kept twice"


def test_host_memory_has_a_budget_too() -> None:
    total = size(story())
    cache = new_cache(total // 3, host_bytes=total // 3)
    cache.build(story())
    assert cache.device.bytes <= total // 3 and cache.host.bytes <= total // 3
    assert cache.build(story())[1].prefilled_tokens > 0


def test_spilling_empties_the_models_memory_and_loses_nothing() -> None:
    cache = new_cache(host_bytes=2**30)
    whole, _ = cache.build(story())
    cache.spill()
    assert cache.device.bytes == 0 and cache.host.bytes == sum(s.bytes for s in whole.segments)
    assert cache.build(story())[1].prefilled_tokens == 0
    forgetful = new_cache()
    forgetful.build(story())
    forgetful.spill()
    assert (forgetful.device.bytes, forgetful.host.bytes) == (0, 0)


def test_where_the_host_has_no_room_either_contexts_are_dropped_and_no_step_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = new_cache(host_bytes=2**30)
    whole, _ = cache.build(story())

    def full(segment: Segment, device: torch.device | str) -> Segment:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")

    with monkeypatch.context() as patch:
        patch.setattr(Segment, "to", full)
        cache.spill()
    assert (cache.device.bytes, cache.host.bytes) == (0, 0)
    again, reuse = cache.build(story())
    assert reuse.reused_tokens == 0 and torch.equal(logits(whole), logits(again))


def test_a_segment_that_finds_no_room_on_its_way_back_stays_in_host_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = new_cache(host_bytes=2**30)
    whole, _ = cache.build(story())
    cache.spill()
    total, moved = cache.host.bytes, iter(range(2))

    def no_room_for_the_third(segment: Segment, device: torch.device | str) -> Segment:
        if next(moved, None) is None:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return segment

    with monkeypatch.context() as patch:
        patch.setattr(Segment, "to", no_room_for_the_third)
        with pytest.raises(torch.OutOfMemoryError):
            cache.build(story())
    assert cache.device.bytes + cache.host.bytes == total, "every segment is in one of the two places"
    again, reuse = cache.build(story())
    assert reuse.prefilled_tokens == 0 and torch.equal(logits(whole), logits(again))


def test_what_several_contexts_read_counts_once() -> None:
    cache = new_cache()
    (whole, start), reuse = cache.build_all([story(), story()[:4]])
    assert reuse.prefilled_tokens == whole.length and reuse.reused_tokens == 0
    assert reuse.saved_seconds == 0 < reuse.prefill_seconds
    _, later = cache.build_all([story(), story()[:4]])
    assert later.reused_tokens == whole.length and later.saved_seconds == reuse.prefill_seconds
    assert reuse.then(later).reused_tokens == 0, "a step has not saved what it read itself"
    assert later.then(later).reused_tokens == whole.length


def test_reading_can_be_ended_and_what_was_read_is_kept() -> None:
    class EnoughError(Exception):
        pass

    left = iter(range(6))  # both pictures are loaded, the first text is read, the first picture begun

    def check() -> None:
        if next(left, None) is None:
            raise EnoughError

    cache = new_cache()
    with pytest.raises(EnoughError):
        cache.build(story(), check)
    _, reuse = cache.build(story())
    assert reuse.reused_tokens > 0 and reuse.prefilled_tokens > 0
