"""Runs on the real painter: memory that runs out, a stop while it reads, and what is told afterwards."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import PIL.Image
import pytest
import torch

from engine import protocols
from engine.core.events import Event, RunCancelled, StepFailed, StepFinished
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.inference.painter import Painter, open_painter
from engine.inference.runtime_config import RuntimeConfig
from engine.runs.opened_model import with_protocols
from engine.runs.runner import run_step
from tests.scripted import png
from tests.tiny import FOLDER, small_pictures

SETTINGS = Settings(timesteps=12, guidance=3.0, max_tokens=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_pictures(
        tmp_path_factory.mktemp("running") / "tiny",
        vae_transform=[64, 32, 16],
        vit_transform=[56, 28, 14],
        default_image_size=[32, 32],
    )


@pytest.fixture
def painter(folder: Path) -> Painter:
    torch.set_num_threads(1)
    return open_painter(folder, running=RuntimeConfig(host_bytes=2**30))


def planned() -> list[Step]:
    root = Step(None, "prompt", "person", {"text": "a red car"}, recipe={"session_seed": 5})
    return [root, plan(root, "Add a car.")]


def plan(root: Step, words: str) -> Step:
    return Step(root.id, "plan", "person", {"instruction": words, "description": "A car."})


class Desk:
    """Makes steps with a painter and keeps their pictures; ``on_pixels`` is called when one is read."""

    def __init__(self, painter: Painter) -> None:
        self.model, self.cancel = with_protocols(painter), threading.Event()
        self.pictures: dict[str, bytes] = {"mine": png(PIL.Image.open(FOLDER / "inputs" / "vit_img.png"))}
        self.on_pixels = lambda: None

    def keep(self, image: PIL.Image.Image) -> str:
        name = f"picture {len(self.pictures)}"
        self.pictures[name] = png(image)
        return name

    def pixels(self, name: str) -> PIL.Image.Image:
        self.on_pixels()
        return PIL.Image.open(io.BytesIO(self.pictures[name])).convert("RGB")

    def make(self, path: list[Step], settings: Settings = SETTINGS) -> Event:
        *_, last = run_step(
            self.model, protocols.get("process"), path, settings, pixels=self.pixels,
            store_image=self.keep, session_seed=5, cancel=self.cancel,
        )  # fmt: skip
        return last


def test_memory_that_runs_out_fails_the_step_and_the_next_one_works(painter: Painter) -> None:
    desk, path = Desk(painter), planned()
    layers = painter.model.language_model.model.layers
    hook = layers[-1].register_forward_pre_hook(lambda *_: torch.empty(2**60))
    failed = desk.make(path)
    hook.remove()
    assert isinstance(failed, StepFailed) and failed.kind == "sketch"
    assert "Memory ran out" in failed.cause and "smaller picture" in failed.next_action
    assert isinstance(desk.make(path), StepFinished)
    hook = painter.autoencoder.decoder.register_forward_pre_hook(lambda *_: torch.empty(2**60))
    assert "Memory ran out" in desk.make(path).cause
    hook.remove()
    assert painter.cache.device.bytes == 0 < painter.cache.host.bytes, "contexts made room, and are not lost"
    again = desk.make(path)
    assert isinstance(again, StepFinished) and again.step.result["prefilled_tokens"] == 0


@pytest.mark.parametrize("doing", ["reading", "seeing", "writing", "choosing"])
def test_memory_that_runs_out_elsewhere_leaves_the_engine_whole_too(painter: Painter, doing: str) -> None:
    desk, path = Desk(painter), planned()
    sketch = Step(path[-1].id, "sketch", "person", image="mine")
    fine = Step(sketch.id, "inspect", "person", {"verdict": "All is well.", "correction": ""})
    word_head = painter.model.language_model.lm_head
    part, path = {
        "reading": (painter.autoencoder.encoder, [*path, sketch]),
        "seeing": (painter.model.vit_model, [*path, sketch]),
        "writing": (word_head, path[:1]),
        "choosing": (word_head, [*path, sketch, fine]),
    }[doing]
    hook = part.register_forward_pre_hook(lambda *_: torch.empty(2**60))
    failed = desk.make(path)
    hook.remove()
    assert isinstance(failed, StepFailed) and "Memory ran out" in failed.cause
    again = desk.make(path)
    assert not isinstance(again, StepFailed) or "could not be read" in again.cause


def test_a_stop_while_the_trajectory_is_read_ends_the_step(painter: Painter) -> None:
    desk, path = Desk(painter), planned()
    path.append(Step(path[-1].id, "sketch", "person", image="mine"))
    calls = []
    hook = painter.model.vit_model.register_forward_pre_hook(lambda *_: calls.append("vit"))
    desk.on_pixels = desk.cancel.set
    assert isinstance(desk.make(path), RunCancelled)
    hook.remove()
    assert not calls, "the clean picture was being read; what the vision encoder sees was not begun"
    desk.cancel.clear()
    desk.on_pixels = lambda: None
    finished = desk.make(path)
    assert isinstance(finished, StepFinished | StepFailed)  # random weights may write anything
    assert not isinstance(finished, StepFailed) or "could not be read" in finished.cause


def test_an_edit_reads_nothing_again_of_what_was_before_it(painter: Painter) -> None:
    desk, (root, first) = Desk(painter), planned()
    desk.make([root, first])
    drawn = desk.make([root, plan(root, "Add a blue car.")]).step
    prompt, edited = (
        len(painter.tokenizer.encode(protocols.get("process").step_text(step))) + 2
        for step in (root, plan(root, "Add a blue car."))
    )
    assert (drawn.result["reused_tokens"], drawn.result["prefilled_tokens"]) == (prompt, edited)
    assert 0 <= drawn.result["saved_seconds"] < 5
    sibling = desk.make([root, first]).step
    assert sibling.result["prefilled_tokens"] == 0 < sibling.result["reused_tokens"]


def test_a_draft_says_so_in_its_recipe_and_a_final_one_is_exact(painter: Painter) -> None:
    desk, path = Desk(painter), planned()
    exact = desk.make(path).step
    draft = desk.make(path, Settings(**{**SETTINGS.as_dict(), "quality": "draft"})).step
    assert (exact.recipe["settings"]["quality"], draft.recipe["settings"]["quality"]) == ("final", "draft")
    assert exact.recipe["seed"] == draft.recipe["seed"]
    assert (exact.result["updates"], exact.result["forwards"]) == (11, 22)
    assert (draft.result["updates"], draft.result["forwards"]) == (8, 12)
    after = desk.make(path).step
    assert desk.pictures[after.image] == desk.pictures[exact.image] != desk.pictures[draft.image]


def test_ways_that_round_differently_are_in_the_fingerprint(folder: Path, painter: Painter) -> None:
    other = open_painter(folder, running=RuntimeConfig(sequential_guidance=True, cuda_graph_text=True))
    assert other.fingerprint == {**painter.fingerprint, "branches": "in turn", "text": "static"}
    assert RuntimeConfig.usual("cpu") == RuntimeConfig() and RuntimeConfig.usual("cuda:1").cuda_graph_text
    first, second = Desk(painter).make(planned()).step, Desk(other).make(planned()).step
    assert first.result["forwards"] == second.result["forwards"]
