"""Scenes as typed scene graphs, and the chains of growing subgraphs that scripts follow.

Source: arXiv 2604.04746, multi-turn data. Nodes are a background, objects, attributes on one object and
relations between two. Every subgraph of a chain holds the one before it, so each picture on the way is
incomplete but never wrong. Putting the increments into words is done elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.lab.storybook.scene.scene import Group, Relation, Scene, Thing

MAX_STEPS = 5
"""Pictures in a chain, at most."""

BARE_BACKGROUND = 0.12
"""How often the first step is the background alone; otherwise it carries the first objects."""

ROUNDS = (1, 2, 2, 3)
"""In how many steps the objects may join; a scene with fewer kinds of things takes fewer."""


@dataclass(frozen=True)
class Node:
    """``name`` is a background, kind, colour, size or relation, ``ends`` the objects it hangs on or joins.

    A background has no ends, an object and an attribute one, a relation two: indices into the scene's things.
    """

    type: Literal["background", "object", "attribute", "relation"]
    name: str
    ends: tuple[int, ...] = ()


Graph = tuple[Node, ...]
"""Nodes without repeats, in the order in which they entered."""


def graph_of(scene: Scene, things: Iterable[int] | None = None) -> Graph:
    """The graph of a scene, or of some of its things in the order given.

    A relation follows the later of its ends. Raises ``IndexError`` for a thing that isn't there.
    """
    nodes = [Node("background", scene.background)]
    standing: set[int] = set()
    for index in range(len(scene.things)) if things is None else things:
        thing = scene.things[index]
        standing.add(index)
        nodes += [Node("object", thing.kind, (index,)), Node("attribute", thing.colour, (index,))]
        nodes += [Node("attribute", thing.scale, (index,))] if thing.scale != "medium" else []
        nodes += [
            Node("relation", r.name, (r.subject, r.object))
            for r in scene.relations
            if index in (r.subject, r.object) and {r.subject, r.object} <= standing
        ]
    return tuple(nodes)


def objects(graph: Graph) -> list[int]:
    """The indices of the objects, in the order in which they entered."""
    return [node.ends[0] for node in graph if node.type == "object"]


def growth(scene: Scene, rng: random.Random, most: int = MAX_STEPS) -> list[Graph]:
    """A chain of 1 to ``most`` growing subgraphs of ``scene``; the last one is the whole.

    The background comes first, sometimes alone. Things of one look join together.
    """
    groups = list(scene.groups())
    rng.shuffle(groups)
    alone = not groups or (most > 1 and rng.random() < BARE_BACKGROUND)
    rounds = min(len(groups), rng.choice(ROUNDS), most - alone)
    cuts = sorted(rng.sample(range(1, len(groups)), rounds - 1)) if groups else []
    stages: list[list[Group]] = [groups[a:b] for a, b in zip([0, *cuts], [*cuts, len(groups)], strict=True)]
    order: list[int] = []
    chain = [graph_of(scene, ())] if alone else []
    for stage in stages if groups else []:
        order += [index for group in stage for index in group.indices]
        chain.append(graph_of(scene, order))
    return chain


def related(goal: Scene, things: Sequence[Thing], background: str | None = None) -> Scene:
    """These things, with the relations of ``goal`` whose both ends stand among them as in the goal."""
    index_of = {thing: index for index, thing in enumerate(things)}
    relations = tuple(
        Relation(index_of[goal.things[r.subject]], r.name, index_of[goal.things[r.object]])
        for r in goal.relations
        if goal.things[r.subject] in index_of and goal.things[r.object] in index_of
    )
    return Scene(background or goal.background, tuple(things), relations)


def same(a: Scene, b: Scene) -> bool:
    """Whether two scenes are equal but for the order of their things and relations."""
    return _unordered(a) == _unordered(b)


def _unordered(scene: Scene) -> tuple[object, ...]:
    things = scene.things
    relations = frozenset((things[r.subject], r.name, things[r.object]) for r in scene.relations)
    return scene.background, sorted(map(repr, things)), relations
