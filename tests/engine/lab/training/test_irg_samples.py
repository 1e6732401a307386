"""Samples of think and irg: the tokens that the running protocols show the model, guidance branches too."""

from __future__ import annotations

import random
import threading

import pytest
import torch

from engine import protocols
from engine.checkpoints.tokenizer import SpecialTokens
from engine.core.parts import Part as ShownPart
from engine.core.parts import TextPart
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.lab.training import samples
from engine.lab.training.data.irg import BETTER, MODES, PROMPT, REFLECTION, THOUGHT, own_pictures
from engine.lab.training.data.process import process_script
from engine.lab.training.data.script import Painted, Part, Script
from engine.lab.training.data.split import sample_training_scene
from engine.lab.training.data.variants import DataVariant
from engine.lab.training.packing import NoisedSplit, Split, TextSplit, VaeSplit, VitSplit
from engine.lab.training.samples import StorybookSampler, image_targets
from engine.lab.training.shards import EncodedScript, ShardDataset, write_shard
from engine.model.autoencoder import Autoencoder
from engine.runs.runner import run_trajectory
from tests.engine.lab.training.small import TINY_AUTOENCODER
from tests.scripted import MemoryRecorder, scripted_model

TOKENS = SpecialTokens(0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> StorybookSampler:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("shards")
    write_shard(folder, 0, Autoencoder(TINY_AUTOENCODER), seed=0, count=16, device="cpu")
    return StorybookSampler(ShardDataset(folder), lambda text: [ord(letter) for letter in text], TOKENS)


def asked(script: EncodedScript, protocol: str) -> list[dict]:
    """What the painter is asked for while a protocol goes the way of a script."""
    said = [script.parts[THOUGHT].text, script.parts[REFLECTION].text]
    model, recorder = scripted_model(texts=said, protocols=[protocol]), MemoryRecorder()
    prompt = Step(None, "prompt", "person", {"text": script.parts[PROMPT].text})
    events = run_trajectory(
        model,
        protocols.get(protocol),
        [prompt],
        Settings.from_dict({"protocol": protocol, "turns": 2}),
        pixels=recorder.load,
        store_image=recorder.store_image,
        session_seed=0,
        cancel=threading.Event(),
    )
    list(events)
    return model.painter.asked


def stream(found: list[Split]) -> list[object]:
    """A sample up to its target: ids of the texts, and a letter for every form of a picture."""
    kinds = {VaeSplit: "clean", VitSplit: "seen"}
    shown = [split for split in found if not isinstance(split, NoisedSplit)]
    return [list(s.ids) if isinstance(s, TextSplit) else kinds[type(s)] for s in shown]


def fed(parts: tuple[ShownPart, ...]) -> list[object]:
    """What the painter makes of parts (``Painter._items``)."""
    found: list[object] = []
    for part in parts:
        found += [[ord(x) for x in part.text]] if isinstance(part, TextPart) else ["clean", "seen"]
    return found


def drawn(sampler: StorybookSampler, mode: str, script: EncodedScript, lot: float) -> list[Split]:
    rng = random.Random()
    rng.random = lambda: lot
    return sampler.mode(mode, script, rng, torch.Generator().manual_seed(0))


ALL, NO_TEXT, NO_IMAGE = 0.9, 0.05, 0.15


@pytest.mark.parametrize(
    ("protocol", "mode", "call"),
    [("think", "initial full", 0), ("irg", "initial full", 0), ("irg", "improving full", 1)],
)
def test_a_picture_is_drawn_after_what_the_protocol_shows(
    sampler: StorybookSampler, protocol: str, mode: str, call: int
) -> None:
    for script in sampler.dataset.irg:
        draw = [ask for ask in asked(script, protocol) if "text_free" in ask][call]
        assert stream(drawn(sampler, mode, script, ALL)) == fed(draw["parts"])
        assert stream(drawn(sampler, mode, script, NO_TEXT)) == fed(draw["text_free"])
        assert stream(drawn(sampler, mode, script, NO_IMAGE)) == fed(draw["image_free"])


def test_texts_are_written_after_what_the_protocol_shows(sampler: StorybookSampler) -> None:
    script = sampler.dataset.irg[0]
    writes = [fed(ask["parts"]) for ask in asked(script, "irg") if "text_free" not in ask]
    for mode, shown in zip(
        ("initial thinking generation", "improving thinking generation"), writes, strict=True
    ):
        found = drawn(sampler, mode, script, ALL)
        assert [type(s) for s in found if getattr(s, "loss", False)] == [TextSplit]
        assert found[-1].loss and stream(found[:-1]) == shown


def test_a_guidance_branch_learns_no_words(sampler: StorybookSampler) -> None:
    for mode in ("initial full", "improving full"):
        for lot in (NO_TEXT, NO_IMAGE):
            found = drawn(sampler, mode, sampler.dataset.irg[0], lot)
            learned = any(getattr(split, "loss", False) for split in found)
            assert learned is (mode == "initial full" and lot == NO_IMAGE)  # it has no picture to leave out
            assert sum(isinstance(split, NoisedSplit) for split in found) == samples.COPIES[mode]


def test_a_mode_has_no_picture_to_draw_unless_it_is_full(sampler: StorybookSampler) -> None:
    for mode in MODES:
        found = sampler.draw(mode, random.Random(3), torch.Generator().manual_seed(0))
        assert any(isinstance(split, NoisedSplit) for split in found) is mode.endswith("full")


def test_a_rejected_sketch_is_a_target_only_where_it_is_learned(sampler: StorybookSampler) -> None:
    rejected = [x for x in sampler.dataset.process if any(part.rejected for part in x.parts)]
    assert rejected
    for learns in (False, True):
        other = StorybookSampler(sampler.dataset, sampler._encode, TOKENS, learns_rejected=learns)
        for seed in range(60):
            script = other.trajectory(random.Random(seed))
            at = image_targets(script)
            for number, part in enumerate(script.parts):
                if part.rejected:
                    assert (number in at) is learns
                    assert "<refine>" in script.parts[number + 1].text
    everything = [part for script in sampler.dataset.process for part in script.parts if part.kind == "image"]
    assert any(part.loss for part in everything)


def test_the_arms_are_what_they_say() -> None:
    for seed in range(12):
        rng = random.Random(seed)
        plain = process_script(rng, varied=DataVariant(chains="add-only").varied, may_fail=False)
        assert not plain.tally["negative"] and not any(part.rejected for part in plain.parts)
    with pytest.raises(ValueError, match="no critique 'loud'.*self-sampled"):
        DataVariant(critique="loud")


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
