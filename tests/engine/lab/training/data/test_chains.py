"""Chains: whatever the way, every step is one edit and the end is the goal; a detour is said and mended."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.lab.storybook.scene.edits import Add, apply
from engine.lab.storybook.scene.sampling import fits, sample_scene
from engine.lab.storybook.scene.scene import Scene, Thing, holds
from engine.lab.training.data.chains import VARIED, ChainStep, additive, chain
from engine.lab.training.data.graph import MAX_STEPS, same

SEEDS = st.integers(0, 2**32)


def sampled(seed: int, varied: float) -> tuple[Scene, list[ChainStep]]:
    rng = random.Random(seed)
    goal = sample_scene(rng)
    return goal, chain(goal, rng, varied)


@settings(max_examples=80)
@given(SEEDS, st.sampled_from((0.0, VARIED, 1.0)))
def test_every_step_is_its_edit_and_the_last_state_is_the_goal(seed: int, varied: float) -> None:
    goal, steps = sampled(seed, varied)
    assert 1 <= len(steps) <= MAX_STEPS
    assert steps[0].before is None
    for step, following in zip(steps, steps[1:], strict=False):
        assert following.before == step.after
    for step in steps:
        before = step.before or Scene(goal.background)
        assert apply(before, step.edit).things == step.after.things
        assert step.after.background == goal.background
    assert same(steps[-1].after, goal)
    assert [step.is_last for step in steps] == [False] * (len(steps) - 1) + [True]


@settings(max_examples=60)
@given(SEEDS)
def test_every_state_has_room_for_its_things_and_true_relations(seed: int) -> None:
    _, steps = sampled(seed, 1.0)
    for step in steps:
        things = step.after.things
        assert all(fits(t, [o for o in things if o is not t]) for t in things)
        assert all(holds(things[r.subject], r.name, things[r.object]) for r in step.after.relations)


@settings(max_examples=60)
@given(SEEDS)
def test_add_only_chains_are_never_at_odds_with_the_goal(seed: int) -> None:
    goal, steps = sampled(seed, 0.0)
    for step in steps:
        assert isinstance(step.edit, Add)
        assert set(step.after.things) <= set(goal.things)
        assert not step.changes and not step.is_provisional and not step.later(random.Random(0))
        assert sum(g.count for g in step.pending) == len(goal.things) - len(step.after.things)


@settings(max_examples=60)
@given(SEEDS)
def test_a_detour_is_said_when_it_begins_and_until_it_is_mended(seed: int) -> None:
    goal, steps = sampled(seed, 1.0)
    rng = random.Random(seed)
    for step in steps:
        strange = [t for t in step.after.things if t not in goal.things]
        assert bool(strange) == bool(step.changes) == bool(step.later(rng))
        begins = any(t in strange for t in step.after.things[step.newest.start :]) and bool(step.newest)
        assert step.is_provisional == begins
        assert step.instruction(rng).endswith("for now.") == begins


def test_detours_come_in_their_share_and_in_every_kind() -> None:
    chains = [sampled(seed, VARIED)[1] for seed in range(600)]
    seen = Counter(step.operation for steps in chains for step in steps)
    assert set(seen) == {"start", "add", "recolour", "resize", "swap", "move", "remove"}
    share = sum(any(s.changes for s in steps) for steps in chains) / len(chains)
    assert abs(share - VARIED) < 0.06


def test_the_same_seed_makes_the_same_chain() -> None:
    assert sampled(7, 1.0) == sampled(7, 1.0)


def test_stages_are_added_to_whatever_stands() -> None:
    house, tree = Thing("house", "red", 0.17, 0.65, 0.32), Thing("tree", "green", 0.83, 0.65, 0.33)
    cat = Thing("cat", "black", 0.5, 0.66, 0.29)
    goal = Scene("night", (house, tree))
    first, last = additive(goal, Scene("snow", (cat,)), [(house,), (tree,)])
    assert first.after == Scene("snow", (cat, house)) and first.coming == (tree,)
    assert last.after == Scene("snow", (cat, house, tree)) and last.is_last
