"""The whole scripts: grammar, truth of the labels, what is and isn't a target, and the ablation variants."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from engine import protocols
from engine.lab.storybook.language.parse import parse_prompt
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.process import MAX_IMAGES, process_script
from engine.lab.training.data.script import Script, direct_parts
from engine.lab.training.data.split import is_held_out

SEEDS = st.integers(0, 10_000)


def written(seed: int) -> Script:
    return process_script(random.Random(seed))


class TestEveryScriptKeepsTheGrammar:
    @settings(max_examples=50)
    @given(SEEDS)
    def test_a_label_names_what_follows_unless_the_artist_goes_on(self, seed: int) -> None:
        parts = written(seed).parts
        for part, following in zip(parts, parts[1:], strict=False):
            goes_on = following.kind == "text" and following.text.startswith("Artist: ")
            assert part.follows == following.kind or (part.follows == "end" and goes_on)
        assert parts[-1].follows == "end"

    @settings(max_examples=50)
    @given(SEEDS)
    def test_what_the_model_must_write_can_be_parsed(self, seed: int) -> None:
        parts, grammar = written(seed).parts, protocols.get("process")
        for index, part in enumerate(parts):
            if part.kind == "text" and part.loss:
                kind = "inspect" if parts[index - 1].kind == "image" and "<ins>" not in part.text else "plan"
                assert grammar.parse(kind, part.text)

    @settings(max_examples=50)
    @given(SEEDS)
    def test_a_rejected_sketch_is_no_target_and_is_mended_at_once(self, seed: int) -> None:
        parts = written(seed).parts
        for index, part in enumerate(parts):
            if part.kind == "image" and not part.loss:
                assert "<refine>" in parts[index + 1].text
                assert parts[index + 2].kind == "image"
                assert parts[index + 2].loss
                assert parts[index + 2].scene != part.scene

    @settings(max_examples=50)
    @given(SEEDS)
    def test_words_of_the_artist_are_never_a_target(self, seed: int) -> None:
        assert not [p for p in written(seed).parts if p.text.startswith("Artist: ") and p.loss]

    @settings(max_examples=50)
    @given(SEEDS)
    def test_no_script_shows_what_is_held_out_or_too_much(self, seed: int) -> None:
        script = written(seed)
        assert 1 <= script.images <= MAX_IMAGES
        assert not [shown for shown in script.scenes if is_held_out(shown)]


class TestTheLastPicture:
    def test_is_what_the_prompt_asks_for_when_nobody_interferes(self) -> None:
        calm = [s for s in map(written, range(200)) if not any("Artist" in p.text for p in s.parts)]
        assert len(calm) > 60
        for script in calm:
            final = script.scenes[script.parts[-2 if script.parts[-1].kind == "text" else -1].scene]
            assert isinstance(final, Scene)
            spec = parse_prompt(script.parts[0].text)
            assert spec is not None and spec.background == final.background
            looks = {(g.kind, g.count): g.colour for g in final.groups()}
            assert {(w.kind, w.count) for w in spec.wants} == set(looks)
            assert all(w.colour in (None, looks[w.kind, w.count]) for w in spec.wants)


class TestTheArms:
    def test_nothing_goes_wrong_in_scripts_that_may_not_fail(self) -> None:
        scripts = [process_script(random.Random(seed), may_fail=False) for seed in range(120)]
        for script in scripts:
            assert not script.tally["negative"]
            assert not [p for p in script.parts if "<refine>" in p.text and not p.text.startswith("Artist")]

    def test_symbolic_mistakes_are_found_in_their_share(self) -> None:
        scripts = [written(seed) for seed in range(400)]
        wrong, fine = (sum(s.tally[name] for s in scripts) for name in ("negative", "positive"))
        assert 0.16 < wrong / (wrong + fine) < 0.3

    def test_add_only_scripts_edit_nothing_unless_the_artist_wants_it(self) -> None:
        scripts = [process_script(random.Random(seed), varied=0, may_fail=False) for seed in range(200)]
        edits = ("recolour", "swap", "move", "remove")
        assert not [s for s in scripts if not s.tally["artist"] and any(s.tally[name] for name in edits)]
        varied = [process_script(random.Random(seed), varied=1, may_fail=False) for seed in range(60)]
        assert sum(any(s.tally[name] for name in edits) for s in varied) > 50


def test_scripts_hold_right_and_wrong_steps_detours_and_the_artist() -> None:
    texts = [part.text for seed in range(300) for part in written(seed).parts]
    assert sum("<refine>" in t for t in texts) > 30
    assert sum("later" in t for t in texts) > 30
    assert sum("for now." in t for t in texts) > 20
    assert sum(t.startswith("Artist: ") for t in texts) > 30


def test_the_same_seed_writes_the_same_script() -> None:
    assert written(5) == written(5)


def test_a_direct_script_is_a_prompt_and_its_picture() -> None:
    prompt, picture = direct_parts("a red house", 3)
    assert (prompt.kind, prompt.follows, prompt.loss) == ("text", "image", False)
    assert (picture.kind, picture.scene, picture.loss) == ("image", 3, True)
