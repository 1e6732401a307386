"""The six tags' rules on hand-made sights, and that their prompts ask for what the tag says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from engine.core.settings import Settings
from engine.lab.evaluation.storyeval import RULES, Prompt, cases, examine, summarise, tags_of
from engine.lab.evaluation.suite import Setup
from engine.lab.storybook.drawing.render import render
from engine.lab.storybook.judging.judge import Seen, SeenThing, judge
from engine.lab.storybook.scene.scene import Relation, Scene, Thing
from tests.scripted import scripted_model


def thing(kind: str, colour: str, x: float = 0.5) -> Thing:
    return Thing(kind, colour, x, 0.5, 0.3)


def sight(kind: str, colour: str, x: float = 0.5, y: float = 0.5, match: float = 0.9) -> SeenThing:
    return SeenThing(kind, colour, x, y, 0.3, match)


RED_CAT = Scene("meadow", (thing("cat", "red"),))
CAT_AND_DOG = Scene("meadow", (thing("cat", "red", 0.2), thing("dog", "blue", 0.8)))
CATS = Scene("meadow", (thing("cat", "red", 0.2), thing("cat", "red", 0.8)))
LEFT = Scene("meadow", CAT_AND_DOG.things, (Relation(0, "left of", 1),))

HAND_MADE = [
    ("single object", RED_CAT, [sight("cat", "green"), sight("dog", "red")], True),
    ("single object", RED_CAT, [sight("dog", "red")], False),
    ("single object", RED_CAT, [], False),
    ("two objects", CAT_AND_DOG, [sight("cat", "black"), sight("dog", "black")], True),
    ("two objects", CAT_AND_DOG, [sight("cat", "red")], False),
    ("counting", CATS, [sight("cat", "red"), sight("cat", "blue"), sight("sun", "yellow")], True),
    ("counting", CATS, [sight("cat", "red")], False),
    ("counting", CATS, [sight("cat", "red")] * 3, False),
    ("colours", RED_CAT, [sight("cat", "red"), sight("dog", "blue")], True),
    ("colours", RED_CAT, [sight("cat", "blue"), sight("dog", "red")], False),
    ("colours", RED_CAT, [sight("cat", "red", match=0.5), sight("cat", "blue", match=0.9)], False),
    ("position", LEFT, [sight("cat", "red", 0.2), sight("dog", "blue", 0.8)], True),
    ("position", LEFT, [sight("cat", "green", 0.2), sight("dog", "pink", 0.8)], True),
    ("position", LEFT, [sight("cat", "red", 0.8), sight("dog", "blue", 0.2)], False),
    ("position", LEFT, [sight("cat", "red", 0.5), sight("dog", "blue", 0.51)], False),
    ("position", LEFT, [sight("cat", "red", 0.2)], False),
    ("colour attribution", CAT_AND_DOG, [sight("cat", "red"), sight("dog", "blue")], True),
    ("colour attribution", CAT_AND_DOG, [sight("cat", "blue"), sight("dog", "red")], False),
    ("colour attribution", CAT_AND_DOG, [sight("cat", "red")], False),
]


@pytest.mark.parametrize(("tag", "wanted", "things", "right"), HAND_MADE)
def test_a_rule_on_what_is_seen(tag: str, wanted: Scene, things: list[SeenThing], right: bool) -> None:
    assert RULES[tag](wanted, Seen("meadow", tuple(things))) is right


@pytest.mark.parametrize(("name", "near", "far"), [("above", 0.2, 0.8), ("below", 0.8, 0.2)])
def test_above_and_below_are_up_and_down(name: str, near: float, far: float) -> None:
    wanted = Scene("meadow", CAT_AND_DOG.things, (Relation(0, name, 1),))
    cat, dog = sight("cat", "red", y=near), sight("dog", "blue", y=far)
    assert RULES["position"](wanted, Seen("meadow", (cat, dog)))
    turned = Seen("meadow", (sight("cat", "red", y=far), sight("dog", "blue", y=near)))
    assert not RULES["position"](wanted, turned)


PROMPTS = cases(4, seed=0)


def test_every_tag_has_its_prompts_each_of_its_own_scene() -> None:
    assert Counter(prompt.tag for prompt in PROMPTS) == dict.fromkeys(RULES, 4)
    assert len({prompt.scene for prompt in PROMPTS}) == len(PROMPTS)
    assert all(prompt.tag in tags_of(prompt.scene) for prompt in PROMPTS)
    assert all(thing.colour in prompt.text for prompt in PROMPTS for thing in prompt.scene.things)


def test_prompts_are_the_same_for_a_seed_and_others_for_another() -> None:
    assert cases(4, seed=0) == PROMPTS
    assert {p.text for p in cases(4, seed=1)} != {p.text for p in PROMPTS}


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: f"{prompt.tag} {prompt.number}")
def test_the_true_picture_is_right_and_an_empty_one_is_wrong(prompt: Prompt) -> None:
    assert RULES[prompt.tag](prompt.scene, judge(render(prompt.scene)))
    assert not RULES[prompt.tag](prompt.scene, Seen(prompt.scene.background, ()))


def test_a_prompt_is_drawn_several_times_with_a_seed_each() -> None:
    model = scripted_model()
    row = examine(Setup(model, Settings(protocol="direct", timesteps=3), seed=0, images=3), PROMPTS[0])
    assert len(row["right"]) == len(row["shown"]) == 3
    assert len({asked["seed"] for asked in model.painter.asked if asked["call"] == "draw"}) == 3
    assert row["cost"]["images"] == 3 and row["cost"]["updates"] == 12 and row["cost"]["forwards"] == 24


def test_accuracy_is_over_pictures_and_overall_over_tags() -> None:
    def row(tag: str, right: list[bool], finished: bool, images: int) -> dict[str, Any]:
        rest = {"everything": [False] * 4, "well_formed": [True] * 4, "finished": [finished] * 4}
        return {"tag": tag, "right": right, "cost": {"images": images}, **rest}

    rows = [
        row("counting", [True, True, False, False], True, 4),
        row("counting", [False] * 4, True, 8),
        row("colours", [True] * 4, False, 12),
    ]
    found = summarise(rows)
    assert found["counting"]["mean"] == 0.25 and found["counting"]["n"] == 2
    assert found["overall"]["mean"] == 0.625
    assert found["everything right"]["mean"] == 0 and found["well-formed"]["mean"] == 1
    assert found["stops by itself"]["mean"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["images a picture"]["mean"] == 2
