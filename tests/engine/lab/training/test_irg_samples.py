"""Samples of think and irg: the tokens that the running protocols show the model, guidance branches too."""

from __future__ import annotations

import random
import threading

import pytest
import torch

from engine import protocols
from engine.checkpoints.special_tokens import SpecialTokens
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.lab.training import samples
from engine.lab.training.data.irg import BETTER, MODES, PROMPT, REFLECTION, THOUGHT, own_pictures
from engine.lab.training.data.process import process_script
from engine.lab.training.data.script import Painted, Part, Script
from engine.lab.training.data.split import sample_training_scene
from engine.lab.training.data.variants import Arm
from engine.lab.training.packing import CleanImage, NoisedImage, SeenImage, Split, Text
from engine.lab.training.samples import Sampler, image_targets
from engine.lab.training.shards import Lesson, Library, write_shard
from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from engine.protocols.base import Segment
from engine.protocols.base import Text as Words
from engine.runs.runner import run
from tests.scripted import MemoryRecorder, ScriptedPainter

SMALL = AutoencoderConfig(ch=16, ch_mult=(1, 1, 1, 1, 1), num_res_blocks=1, z_channels=16, norm_groups=4)
TOKENS = SpecialTokens(0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("shards")
    write_shard(folder, 0, Autoencoder(SMALL), seed=0, count=16, device="cpu")
    return Sampler(Library(folder), lambda text: [ord(letter) for letter in text], TOKENS)


def asked(lesson: Lesson, protocol: str) -> list[dict]:
    """What the painter is asked for while a protocol goes the way of a lesson."""
    said = [lesson.parts[THOUGHT].text, lesson.parts[REFLECTION].text]
    painter, recorder = ScriptedPainter(said, protocols=[protocol]), MemoryRecorder()
    prompt = Step(None, "prompt", "person", {"text": lesson.parts[PROMPT].text})
    events = run(
        painter,
        protocols.get(protocol),
        [prompt],
        Settings.from_dict({"protocol": protocol, "turns": 2}),
        pixels=recorder.pixels,
        keep_image=recorder.keep_image,
        session_seed=0,
        cancel=threading.Event(),
    )
    list(events)
    return painter.asked


def stream(found: list[Split]) -> list[object]:
    """A sample up to its target: ids of the texts, and a letter for every form of a picture."""
    kinds = {CleanImage: "clean", SeenImage: "seen"}
    shown = [split for split in found if not isinstance(split, NoisedImage)]
    return [list(s.ids) if isinstance(s, Text) else kinds[type(s)] for s in shown]


def fed(segments: tuple[Segment, ...]) -> list[object]:
    """What the painter makes of segments (``Painter._items``)."""
    found: list[object] = []
    for segment in segments:
        found += [[ord(x) for x in segment.text]] if isinstance(segment, Words) else ["clean", "seen"]
    return found


def drawn(maker: Sampler, mode: str, lesson: Lesson, lot: float) -> list[Split]:
    rng = random.Random()
    rng.random = lambda: lot
    return maker.mode(mode, lesson, rng, torch.Generator().manual_seed(0))


ALL, NO_TEXT, NO_IMAGE = 0.9, 0.05, 0.15


@pytest.mark.parametrize(
    ("protocol", "mode", "call"),
    [("think", "initial full", 0), ("irg", "initial full", 0), ("irg", "improving full", 1)],
)
def test_a_picture_is_drawn_after_what_the_protocol_shows(
    maker: Sampler, protocol: str, mode: str, call: int
) -> None:
    for lesson in maker.library.irg:
        draw = [ask for ask in asked(lesson, protocol) if "text_free" in ask][call]
        assert stream(drawn(maker, mode, lesson, ALL)) == fed(draw["segments"])
        assert stream(drawn(maker, mode, lesson, NO_TEXT)) == fed(draw["text_free"])
        assert stream(drawn(maker, mode, lesson, NO_IMAGE)) == fed(draw["image_free"])


def test_texts_are_written_after_what_the_protocol_shows(maker: Sampler) -> None:
    lesson = maker.library.irg[0]
    writes = [fed(ask["segments"]) for ask in asked(lesson, "irg") if "text_free" not in ask]
    for mode, shown in zip(
        ("initial thinking generation", "improving thinking generation"), writes, strict=True
    ):
        found = drawn(maker, mode, lesson, ALL)
        assert [type(s) for s in found if getattr(s, "loss", False)] == [Text]
        assert found[-1].loss and stream(found[:-1]) == shown


def test_a_guidance_branch_learns_no_words(maker: Sampler) -> None:
    for mode in ("initial full", "improving full"):
        for lot in (NO_TEXT, NO_IMAGE):
            found = drawn(maker, mode, maker.library.irg[0], lot)
            learned = any(getattr(split, "loss", False) for split in found)
            assert learned is (mode == "initial full" and lot == NO_IMAGE)  # it has no picture to leave out
            assert sum(isinstance(split, NoisedImage) for split in found) == samples.COPIES[mode]


def test_a_mode_has_no_picture_to_draw_unless_it_is_full(maker: Sampler) -> None:
    for mode in MODES:
        found = maker.draw(mode, random.Random(3), torch.Generator().manual_seed(0))
        assert any(isinstance(split, NoisedImage) for split in found) is mode.endswith("full")


def test_a_rejected_sketch_is_a_target_only_where_it_is_learned(maker: Sampler) -> None:
    rejected = [x for x in maker.library.process if any(part.rejected for part in x.parts)]
    assert rejected
    for learns in (False, True):
        other = Sampler(maker.library, maker._encode, TOKENS, learns_rejected=learns)
        for seed in range(60):
            lesson = other.trajectory(random.Random(seed))
            at = image_targets(lesson)
            for number, part in enumerate(lesson.parts):
                if part.rejected:
                    assert (number in at) is learns
                    assert "<refine>" in lesson.parts[number + 1].text
    everything = [part for lesson in maker.library.process for part in lesson.parts if part.kind == "image"]
    assert any(part.loss for part in everything)


def test_the_arms_are_what_they_say() -> None:
    for seed in range(12):
        rng = random.Random(seed)
        plain = process_script(rng, varied=Arm(chains="add-only").varied, may_fail=False)
        assert not plain.tally["negative"] and not any(part.rejected for part in plain.parts)
    with pytest.raises(ValueError, match="no critique 'loud'.*self-sampled"):
        Arm(critique="loud")


def test_a_model_s_own_sketch_becomes_what_it_should_have_been() -> None:
    rng = random.Random(0)
    wrong, right = (Painted(name, sample_training_scene(rng)) for name in "ab")
    mended = sample_training_scene(rng)
    script = Script()
    for shown in (wrong, right):
        script.show(shown, loss=False, follows="text")
        script.say("x", loss=True, follows="image")
        if shown is wrong:
            script.show(mended, loss=True, follows="text")
            script.parts.append(Part("text", "plan"))
    assert list(own_pictures([script])) == [(mended, wrong), (right.seen, right)]
    assert BETTER == 4
