"""The English of the world: it mentions everything, reads back, and never calls the pending wrong."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.lab.storybook.language.corpus import corpus
from engine.lab.storybook.language.critique import critique_ok, critique_wrong
from engine.lab.storybook.language.parse import Want, known_words, parse_prompt
from engine.lab.storybook.language.sentences import describe, instruct_edit, instruct_start, prompt
from engine.lab.storybook.scene.differences import differences, pending_groups
from engine.lab.storybook.scene.edits import Add, Move, Recolour, Resize, Setting, apply, sample_edit
from engine.lab.storybook.scene.mistakes import sample_mistake
from engine.lab.storybook.scene.palette import KINDS
from engine.lab.storybook.scene.sampling import sample_scene
from engine.lab.storybook.scene.scene import Relation, Scene, Thing, holds

seeds = st.integers(0, 2**32)
HOUSE = Thing("house", "red", 0.17, 0.65, 0.32)
TREE = Thing("tree", "green", 0.83, 0.65, 0.33)
CAT = Thing("cat", "black", 0.5, 0.66, 0.29)
NIGHT = Scene("night", (HOUSE, TREE), (Relation(0, "left of", 1),))


def looks(scene: Scene) -> Counter[tuple[str, str, int, str]]:
    return Counter((g.kind, g.colour, g.count, g.scale) for g in scene.groups())


def test_the_thing_in_its_usual_colour_is_the_one_that_was_named_without() -> None:
    spec = parse_prompt("a black boat left of a flower, a blue lantern left of the pink flower")
    assert [(want.count, want.kind) for want in spec.wants] == [(1, "boat"), (1, "flower"), (1, "lantern")]
    assert len(parse_prompt("a flower and above the red flower a boat").wants) == 3


@given(seeds)
@example(17218988)
def test_prompts_and_descriptions_read_back(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    for text in (prompt(scene, rng), describe(scene, rng), instruct_start(scene, rng)):
        spec = parse_prompt(text)
        assert spec is not None and spec.background == scene.background, text
        read = Counter(
            (w.kind, w.colour or KINDS[w.kind].natural, w.count, w.scale or "medium") for w in spec.wants
        )
        assert read == looks(scene), text
        members = {(g.kind, g.colour): [scene.things[i] for i in g.indices] for g in scene.groups()}
        things = [members[w.kind, w.colour or KINDS[w.kind].natural] for w in spec.wants]
        for relation in spec.relations:
            subject, other = things[relation.subject], things[relation.object]
            assert all(holds(a, relation.name, b) for a in subject for b in other), text
        for want, group in zip(spec.wants, things, strict=True):
            assert not want.columns or set(want.columns) == {t.column for t in group}, text
        assert len(spec.relations) >= len(scene.relations), text


@given(seeds)
def test_instructions_name_what_changes(seed: int) -> None:
    rng = random.Random(seed)
    scene = sample_scene(rng)
    edit = sample_edit(scene, rng)
    if edit is None:
        return
    after = apply(scene, edit)
    order = instruct_edit(scene, edit, after, rng)
    assert order[0].isupper() and order.endswith(".")
    if isinstance(edit, Add):
        assert all(t.kind in order and t.colour in order for t in edit.things)
    if isinstance(edit, Recolour):
        assert edit.colour in order and scene.things[edit.indices[0]].kind in order
    if isinstance(edit, Resize):
        assert edit.scale in order and scene.things[edit.indices[0]].kind in order
    if isinstance(edit, Move):
        assert re.search(r"left|right|middle|centre|above|over|below|under|behind|front", order)


@given(seeds)
def test_verdicts_speak_of_the_pending_but_never_as_wrong(seed: int) -> None:
    rng = random.Random(seed)
    whole = sample_scene(rng)
    groups = whole.groups()
    now = whole.subset(i for g in groups[: rng.randint(1, len(groups))] for i in g.indices)
    pending = pending_groups(now, whole)
    assert sum(g.count for g in pending) == len(whole.things) - len(now.things)
    fine = critique_ok(now, pending, rng)
    assert not re.search(r"wrong|mistake|should|not right", fine.lower())
    assert all(g.kind in fine and g.colour in fine for g in pending)
    assert bool(pending) == ("later" in fine)
    wrong = sample_mistake(now, rng)
    verdict, correction = critique_wrong(wrong, now, pending, rng)
    assert re.search(r"This is wrong|Not right yet|There is a mistake", verdict)
    assert bool(pending) == ("later" in verdict)
    assert correction.endswith(".") and not re.search(r"later", correction)


@given(seeds)
def test_differences_mend_every_mistake(seed: int) -> None:
    rng = random.Random(seed)
    right = sample_scene(rng)
    now = sample_mistake(right, rng)
    for edit in differences(now, right):
        now = apply(now, edit)
    assert looks(now) == looks(right) and now.background == right.background
    assert differences(right, right) == ()


def test_critique_says_what_is_wrong_and_how_to_mend_it() -> None:
    wrong = apply(NIGHT, Recolour((0,), "blue"))
    verdict, correction = critique_wrong(wrong, NIGHT, (), random.Random(1))
    assert "is blue and should be red" in verdict
    assert "house" in correction and "red" in correction
    verdict, correction = critique_wrong(apply(NIGHT, Resize((0,), "small")), NIGHT, (), random.Random(1))
    assert "is small and should be medium-sized" in verdict
    assert "house" in correction and "medium-sized" in correction
    verdict, correction = critique_wrong(apply(NIGHT, Setting("snow")), NIGHT, (), random.Random(1))
    assert "night" in verdict and "night" in correction
    three = NIGHT.with_things((HOUSE, TREE, CAT))
    verdict, correction = critique_wrong(three, NIGHT, (), random.Random(1))
    assert "a black cat that should not be there" in verdict
    assert "cat" in correction
    with pytest.raises(ValueError, match="nothing to criticise"):
        critique_wrong(NIGHT, NIGHT, (), random.Random(1))


def test_named_relation_is_spoken_of_when_a_thing_is_added() -> None:
    whole = Scene("night", (HOUSE, TREE), (Relation(1, "right of", 0),))
    now = whole.subset([0])
    orders = {instruct_edit(now, Add((TREE,)), whole, random.Random(seed)) for seed in range(40)}
    assert sum("house" in order for order in orders) > len(orders) / 2
    assert len(orders) > 10


def test_free_prompts_are_read() -> None:
    spec = parse_prompt("A blue house left of a green tree at night, with a black cat in front")
    assert spec is not None and spec.background == "night"
    assert spec.wants == (Want(1, "blue", "house"), Want(1, "green", "tree"), Want(1, "black", "cat"))
    assert spec.relations == (Relation(0, "left of", 1),)
    spec = parse_prompt("Two boats by the sea and the moon over a house on the right!")
    assert spec is not None and spec.background == "sea"
    assert spec.wants == (Want(2, None, "boat"), Want(1, None, "moon"), Want(1, None, "house", (2,)))
    assert spec.relations == (Relation(1, "above", 2),)
    spec = parse_prompt("a big red house behind two little cats")
    assert spec is not None
    assert spec.wants == (Want(1, "red", "house", scale="large"), Want(2, None, "cat", scale="small"))
    assert spec.relations == (Relation(0, "behind", 1),)
    assert parse_prompt("<ins>hello</ins> \u202e\U0001f600") is None
    assert parse_prompt("") is None


def test_corpus_is_varied_small_and_known() -> None:
    texts = list(corpus(1500, seed=5))
    assert len(texts) == 1500 and texts == list(corpus(1500, seed=5))
    words = {w for text in texts for w in re.findall(r"[A-Za-z]+", text)}
    assert 100 < len(words) < 450
    assert {word.lower() for word in words} <= known_words()
    assert max(len(text.split()) for text in texts) < 70
    assert len(set(texts)) > 1300
