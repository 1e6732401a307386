"""Scene graphs and their growth: nested, whole at the end, and never a relation with an end in the air."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.lab.storybook.scene.sampling import sample_scene
from engine.lab.storybook.scene.scene import Relation, Scene, Thing
from engine.lab.training.data.graph import MAX_STEPS, Graph, graph_of, growth, objects, related, same

SEEDS = st.integers(0, 2**32)
HOUSE = Thing("house", "red", 0.17, 0.65, 0.32)
TREE = Thing("tree", "green", 0.83, 0.65, 0.33)
NIGHT = Scene("night", (HOUSE, TREE), (Relation(0, "left of", 1),))


def is_closed(graph: Graph) -> bool:
    """Whether everything a node hangs on is there before it."""
    standing: set[int] = set()
    for node in graph:
        if node.type == "object":
            standing |= set(node.ends)
        elif not set(node.ends) <= standing:
            return False
    return True


def test_a_graph_has_typed_nodes() -> None:
    assert [(n.type, n.name, n.ends) for n in graph_of(NIGHT)] == [
        ("background", "night", ()),
        ("object", "house", (0,)),
        ("attribute", "red", (0,)),
        ("object", "tree", (1,)),
        ("attribute", "green", (1,)),
        ("relation", "left of", (0, 1)),
    ]


@settings(max_examples=60)
@given(SEEDS, st.integers(1, MAX_STEPS))
def test_growth_is_nested_closed_short_and_ends_with_the_whole(seed: int, most: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    chain = growth(scene, rng, most)
    assert 1 <= len(chain) <= most
    assert set(chain[-1]) == set(graph_of(scene))
    for graph in chain:
        assert graph[0].type == "background"
        assert len(set(graph)) == len(graph)
        assert is_closed(graph)
    for smaller, larger in zip(chain, chain[1:], strict=False):
        assert larger[: len(smaller)] == smaller
        assert len(objects(larger)) > len(objects(smaller))


@settings(max_examples=60)
@given(SEEDS)
def test_things_of_one_look_join_together(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    for graph in growth(scene, rng):
        standing = set(objects(graph))
        for group in scene.groups():
            assert standing.isdisjoint(group.indices) or standing.issuperset(group.indices)


@settings(max_examples=60)
@given(SEEDS)
def test_the_last_subscene_is_the_scene(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    assert same(scene.subset(objects(growth(scene, rng)[-1])), scene)


def test_growth_is_varied() -> None:
    scene = Scene("night", (HOUSE, TREE, Thing("cat", "black", 0.5, 0.66, 0.29)))
    chains = [growth(scene, random.Random(seed)) for seed in range(200)]
    assert {len(chain) for chain in chains} == {1, 2, 3, 4}
    assert 5 < sum(not objects(chain[0]) for chain in chains) < 50


def test_an_empty_place_grows_in_one_step() -> None:
    assert growth(Scene("snow"), random.Random(0)) == [graph_of(Scene("snow"))]


def test_a_relation_holds_only_between_things_as_the_goal_has_them() -> None:
    assert related(NIGHT, (TREE, HOUSE)).relations == (Relation(1, "left of", 0),)
    assert related(NIGHT, (TREE,)).relations == ()
    assert related(NIGHT, (TREE, Thing("house", "blue", 0.17, 0.65, 0.32))).relations == ()


def test_scenes_that_differ_in_more_than_order_are_not_the_same() -> None:
    assert same(NIGHT, Scene("night", (TREE, HOUSE), (Relation(1, "left of", 0),)))
    assert not same(NIGHT, Scene("night", (TREE, HOUSE)))
    assert not same(NIGHT, Scene("snow", NIGHT.things, NIGHT.relations))
    assert not same(NIGHT, NIGHT.subset([0]))
