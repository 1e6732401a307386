"""The lessons: grammar, truth of the labels, and what is and isn't a target."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from engine import protocols
from engine.training.scripts import Script, direct_parts, process_script
from engine.world.scene import Scene

SEEDS = st.integers(0, 10_000)


def written(seed: int) -> Script:
    return process_script(random.Random(seed))


class TestEveryLessonKeepsTheGrammar:
    @given(SEEDS)
    def test_a_label_names_what_follows_unless_the_artist_goes_on(self, seed: int) -> None:
        parts = written(seed).parts
        for part, following in zip(parts, parts[1:], strict=False):
            goes_on = following.kind == "text" and following.text.startswith("Artist: ")
            assert part.follows == following.kind or (part.follows == "end" and goes_on)
        assert parts[-1].follows == "end"

    @given(SEEDS)
    def test_what_the_model_must_write_can_be_parsed(self, seed: int) -> None:
        parts, grammar = written(seed).parts, protocols.get("process")
        for index, part in enumerate(parts):
            if part.kind == "text" and part.loss:
                kind = "inspect" if parts[index - 1].kind == "image" and "<ins>" not in part.text else "plan"
                assert grammar.parse(kind, part.text)

    @given(SEEDS)
    def test_a_rejected_sketch_is_no_target_and_is_mended_at_once(self, seed: int) -> None:
        parts = written(seed).parts
        for index, part in enumerate(parts):
            if part.kind == "image" and not part.loss:
                assert "<refine>" in parts[index + 1].text
                assert parts[index + 2].kind == "image"
                assert parts[index + 2].loss
                assert parts[index + 2].scene != part.scene

    @given(SEEDS)
    def test_words_of_the_artist_are_never_a_target(self, seed: int) -> None:
        assert not [p for p in written(seed).parts if p.text.startswith("Artist: ") and p.loss]


class TestTheLastPicture:
    def test_holds_the_whole_goal_when_nobody_interferes(self) -> None:
        calm = [s for s in map(written, range(300)) if not any("Artist" in p.text for p in s.parts)]
        assert len(calm) > 100
        for script in calm:
            shown = [p.scene for p in script.parts if p.kind == "image"]
            final: Scene = script.scenes[shown[-1]]
            assert all(
                set(script.scenes[i].things) <= set(final.things) for i in shown if is_target(script, i)
            )


def is_target(script: Script, scene: int) -> bool:
    """Whether a scene is a flow target that no inspection rejected."""
    parts = script.parts
    where = [i for i, p in enumerate(parts) if p.kind == "image" and p.scene == scene]
    refused = any(i + 1 < len(parts) and "<refine>" in parts[i + 1].text for i in where)
    return parts[where[0]].loss and not refused


def test_lessons_hold_right_and_wrong_steps_and_the_artist() -> None:
    texts = [part.text for seed in range(300) for part in written(seed).parts]
    assert sum("<refine>" in t for t in texts) > 30
    assert sum("later" in t for t in texts) > 30
    assert sum(t.startswith("Artist: ") for t in texts) > 30


def test_the_same_seed_writes_the_same_lesson() -> None:
    assert written(5) == written(5)


def test_a_direct_lesson_is_a_prompt_and_its_picture() -> None:
    text, image = direct_parts("a red house", 7)
    assert (text.kind, text.text, text.follows, text.loss) == ("text", "a red house", "image", False)
    assert (image.kind, image.scene, image.follows, image.loss) == ("image", 7, None, True)
