"""Which profile a checkpoint gets by the GPU's free memory; the memory expected; ``restroke check``."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import main
from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.files import TensorFiles
from engine.checkpoints.layer_placement import LayerPlacement
from engine.checkpoints.reader import load_checkpoint
from engine.checkpoints.validated_folder import ValidatedFolder
from engine.core.settings import Settings
from engine.inference.decoding import CudaGraphDecoder
from engine.inference.prefill import Context
from engine.inference.runtime_config import RuntimeConfig
from engine.model.autoencoder import AutoencoderConfig
from engine.model.config import BAGEL_7B
from engine.placement import open, planner
from engine.placement.memory_estimate import GIB, estimate_memory
from engine.placement.open import load_painter, runtime_config_of
from engine.placement.planner import Gpu, choose_placement
from engine.placement.profiles import PROFILES
from engine.placement.speed_probe import TIMED_UPDATES, seconds_per_picture
from engine.runs.opened_model import open_model
from tests import tiny
from tests.tiny import CKPT

SEVEN = ValidatedFolder(
    Path("seven"),
    BAGEL_7B,
    AutoencoderConfig(),
    {},
    TensorFiles([]),
    TensorFiles([]),
    SimpleNamespace(size=151665),
)


@pytest.fixture
def seven(monkeypatch: pytest.MonkeyPatch) -> None:
    """The public 7B's shape in place of a folder: 29 GB would be much for a test."""
    monkeypatch.setattr(planner, "validate_folder", lambda _: SEVEN)


def gpu(free: float, *, fp8: bool = True, number: int = 0) -> Gpu:
    return Gpu(f"cuda:{number}", f"a GPU of {free} GiB", int(free * GIB), int(free * GIB), fp8)


def choice(*gpus: Gpu, profile: str | None = None, precision: str | None = None) -> planner.Placement:
    return choose_placement("seven", profile=profile, precision=precision, gpus=gpus)


@pytest.mark.parametrize(
    ("free", "fp8", "profile"),
    [(79, True, "48gb"), (39.4, False, "48gb"), (23.5, True, "24gb"),
     (23.5, False, "16gb"), (15.5, True, "16gb"), (11.6, True, "12gb")],
)  # fmt: skip
@pytest.mark.usefixtures("seven")
def test_the_best_profile_that_fits_is_chosen(free: float, fp8: bool, profile: str) -> None:
    found = choice(gpu(free, fp8=fp8))
    assert found.profile.name == profile and found.device == "cuda:0"
    assert found.memory.bytes < free * GIB


@pytest.mark.usefixtures("seven")
def test_a_gpu_that_is_too_small_is_refused_with_the_numbers() -> None:
    with pytest.raises(CheckpointError, match=r"12gb takes 9\.\d GiB, and a GPU of 8 GiB has 8.0 GiB free"):
        choice(gpu(8))
    with pytest.raises(CheckpointError, match="48gb takes 35.5 GiB"):
        choice(gpu(23.5), profile="48gb")
    with pytest.raises(CheckpointError, match="lacks 8-bit floats"):
        choice(gpu(23.5, fp8=False), profile="24gb")
    with pytest.raises(CheckpointError, match="lacks 8-bit floats"):
        choice(gpu(23.5, fp8=False), precision="fp8")
    with pytest.raises(CheckpointError, match="does not fit"):
        choice(gpu(12), gpu(11, number=1, fp8=False), profile="24gb")
    for wish in ({}, {"profile": "16gb"}, {"precision": "nf4"}):
        with pytest.raises(CheckpointError, match="lacks bfloat16"):
            choice(replace(gpu(15.5), bf16=False), **wish)


@pytest.mark.usefixtures("seven")
def test_a_large_model_never_goes_to_the_cpu_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="no GPU here.*Give --profile cpu"):
        choice()
    with pytest.raises(CheckpointError, match="profile 24gb is for a GPU"):
        choice(profile="24gb")
    monkeypatch.setattr(planner, "free_memory", lambda: 90 * GIB)
    assert choice(profile="cpu").device == "cpu"
    monkeypatch.setattr(planner, "free_memory", lambda: 20 * GIB)
    with pytest.raises(CheckpointError, match="takes 63.2 GiB on the CPU and 20.0 are free"):
        choice(profile="cpu")


@pytest.mark.usefixtures("seven")
def test_wishes_override_the_choice() -> None:
    assert choice(gpu(79), profile="12gb").profile.tile == 512
    assert choice(gpu(79), precision="int8").profile.precision == "int8"
    assert choice(gpu(10.2), profile="12gb").notes[0].startswith("Memory is tight")
    beside = choice(gpu(10.2), gpu(1, number=1), profile="12gb")
    assert beside.notes[0].startswith("Memory is tight") and beside.layers is None, (
        "a small GPU takes nothing"
    )
    with pytest.raises(CheckpointError, match="no profile '5gb'"):
        choice(gpu(79), profile="5gb")
    with pytest.raises(CheckpointError, match="Precision 'int3'"):
        choice(gpu(79), precision="int3")


@pytest.mark.usefixtures("seven")
def test_half_of_what_is_left_over_goes_to_contexts() -> None:
    assert choice(gpu(139)).profile.context_bytes == 8 * GIB
    assert choice(gpu(15.5)).profile.context_bytes == PROFILES["16gb"].context_bytes


@pytest.mark.parametrize(("free", "pictures"), [(139, 20), (23.5, 6), (15.5, 4), (11.6, 2)])
@pytest.mark.usefixtures("seven")
def test_no_more_pictures_are_shown_at_once_than_the_gpu_has_room_for(free: float, pictures: int) -> None:
    found = choice(gpu(free))
    assert found.max_pictures == pictures
    token = 2 * 28 * 4 * 128 * 2
    context = pictures * (4098 + 4902 + 250) * token
    weights = sum(size for use, size in found.memory.on_device.items() if use not in planner.SHARED)
    new = (3 * token + (8 * 3584 + 3 * 18944) * 2 * (1 if found.profile.sequential_guidance else 3)) * 4098
    assert weights + max(found.profile.context_bytes, context) + context + new < free * GIB


@pytest.mark.usefixtures("seven")
def test_where_there_is_room_for_a_single_picture_no_more_are_shown() -> None:
    assert choice(gpu(10.7)).max_pictures == 1


@pytest.mark.usefixtures("seven")
def test_on_a_cpu_and_over_several_gpus_pictures_are_bounded_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert choice(gpu(23.5), gpu(23.2, number=1)).max_pictures == 6
    assert choice(gpu(23.5), gpu(17.8, number=1)).max_pictures == 2, "the layers need the rest"
    monkeypatch.setattr(planner, "free_memory", lambda: 90 * GIB)
    assert choice(profile="cpu").max_pictures == 20


def test_token_embeddings_that_are_the_head_too_stay_on_the_gpu() -> None:
    language = replace(BAGEL_7B.language, tie_word_embeddings=True)
    tied = replace(SEVEN, config=replace(BAGEL_7B, language=language))
    apart, both = (estimate_memory(folder, PROFILES["12gb"], "cuda") for folder in (SEVEN, tied))
    assert apart.on_host and not both.on_host and tied.tied
    assert both.on_device["token embeddings and LM head"] > apart.on_device["token embeddings and LM head"]


@pytest.mark.usefixtures("seven")
def test_layers_are_split_over_two_gpus_before_anything_is_quantised() -> None:
    found = choice(gpu(23.5), gpu(23.2, number=1))
    assert found.profile.name == "48gb" and list(found.room_on_gpus) == ["cuda:0", "cuda:1"]
    assert (
        found.room_on_gpus["cuda:0"] < found.room_on_gpus["cuda:1"]
    )  # contexts and pictures are on the first
    small = choice(gpu(15.2), gpu(10, number=1))
    assert small.profile.name == "16gb" and small.layers is None


@pytest.mark.usefixtures("seven")
def test_crumbs_of_memory_on_many_gpus_make_no_room_for_a_layer() -> None:
    """A layer of the 7B takes 0.9 GiB: gpus with less to spare help nobody, however many."""
    found = estimate_memory(SEVEN, PROFILES["48gb"], "cuda:0")
    set_aside = max(found.on_device[use] for use in planner.NOT_WEIGHTS) / GIB
    first = gpu(found.bytes / GIB - 5)
    enough, crumbs = ([gpu((set_aside + each) / 0.97, number=n) for n in range(1, 9)] for each in (1.2, 0.7))
    assert len(choice(first, *enough, profile="48gb").room_on_gpus) == 9
    with pytest.raises(CheckpointError, match="does not fit"):
        choice(first, *crumbs, profile="48gb")


@pytest.mark.parametrize(
    ("profile", "weights"), [("48gb", 27.4), ("24gb", 15.2), ("16gb", 9.3), ("12gb", 7.6)]
)
def test_the_weights_of_the_release_take_what_arithmetic_says(profile: str, weights: float) -> None:
    found = estimate_memory(SEVEN, PROFILES[profile], "cuda")
    counted = sum(size for use, size in found.on_device.items() if use not in planner.NOT_WEIGHTS) / GIB
    assert counted == pytest.approx(weights, abs=0.16)
    assert bool(found.on_host) == PROFILES[profile].embeddings_on_host


def test_a_gpu_keeps_room_for_the_buffers_of_its_text_decoder() -> None:
    on_gpu, on_cpu = (
        estimate_memory(SEVEN, PROFILES["16gb"], device).on_device for device in ("cuda", "cpu")
    )
    decoder = CudaGraphDecoder(tiny.checkpoint().model)
    decoder.begin(Context(), 1)
    kept = sum(buffer.nbytes for buffer in decoder._buffers)
    of_tiny = estimate_memory(
        choose_placement(CKPT, profile="cpu", precision=None).folder, PROFILES["48gb"], "cuda"
    ).on_device
    assert 2 * of_tiny["room for a text"] == kept  # half as wide as on the CPU
    assert on_gpu["room for a text"] == 2 * 28 * 4 * 128 * 2048 * 2
    assert "room for a text" not in on_cpu


def test_a_loaded_model_takes_exactly_what_was_counted() -> None:
    for name in ("16gb", "12gb"):
        profile = replace(PROFILES[name], tile=None)
        found = choose_placement(CKPT, profile="cpu", precision=profile.precision)
        counted = estimate_memory(found.folder, profile, "cpu")
        loaded = load_checkpoint(
            CKPT, precision="nf4", head=profile.head, embeddings_on_host=profile.embeddings_on_host
        )
        parts = [loaded.model.state_dict(), loaded.autoencoder.state_dict()]
        weights = sum(size for use, size in counted.on_device.items() if use not in planner.NOT_WEIGHTS)
        held = sum(value.nbytes for state in parts for value in state.values())
        assert weights + sum(counted.on_host.values()) == held


def test_the_opened_model_says_what_runs(tmp_path: Path) -> None:
    model = open_model(CKPT)
    assert model.fingerprint["precision"] == "float32" and model.fingerprint["device"] == "cpu"
    assert "float32 on the CPU (profile cpu) · about " in model.about
    found = choose_placement(CKPT, profile="cpu", precision="nf4")
    tiled = load_painter(replace(found, profile=replace(PROFILES["12gb"], tile=64)))
    assert tiled.fingerprint["precision"] == "nf4+head+tiles64"


def test_a_profile_runs_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    found = planner.Placement(
        SEVEN, PROFILES["12gb"], "cuda:0", estimate_memory(SEVEN, PROFILES["12gb"], "cuda:0")
    )
    monkeypatch.setattr(open, "free_memory", lambda: 12 * GIB)
    running = runtime_config_of(found)
    assert (running.sequential_guidance, running.context_bytes) == (True, PROFILES["12gb"].context_bytes)
    assert running.cuda_graph_text and running.host_bytes == 3 * GIB, "spills into a quarter of what is free"
    shared = replace(found, layers=LayerPlacement("cuda:0", ("cuda:0", "cuda:1")))
    assert not runtime_config_of(shared).cuda_graph_text
    monkeypatch.setattr(open, "free_memory", lambda: 100 * GIB)
    assert runtime_config_of(found).host_bytes == RuntimeConfig.usual("cuda:0").host_bytes
    plain = replace(found, device="cpu", profile=PROFILES["cpu"])
    assert runtime_config_of(plain) == RuntimeConfig.usual("cpu")


def test_what_is_measured_runs_as_the_profile_will() -> None:
    small, passes = tiny.checkpoint(), {}
    for sequential_guidance in (False, True):
        calls: list[int] = []
        first = small.model.language_model.model.layers[0]
        hook = first.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        seconds = seconds_per_picture(
            small.model,
            small.autoencoder,
            small.tokenizer.tokens,
            Settings(),
            (32, 32),
            sequential_guidance=sequential_guidance,
        )
        hook.remove()
        assert seconds > 0
        passes[sequential_guidance] = len(calls)
    prompt, updates = 1, TIMED_UPDATES + 1
    assert passes == {False: prompt + updates, True: prompt + 2 * updates}


def test_check_prints_the_choice_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--checkpoint", str(CKPT), "--profile", "cpu", "--precision", "int8"]) == 0
    said = capsys.readouterr().out
    for words in ("139 tensors in ema.safetensors", "profile    cpu", "drawing expert", "together, expected",
                  "int8 is slow", "a picture of 1024x1024"):  # fmt: skip
        assert words in said


def test_check_says_why_it_cannot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(CKPT, tmp_path / "model")
    (tmp_path / "model" / "ema.safetensors").rename(tmp_path / "model" / "pytorch_model.bin")
    assert main(["check", "--checkpoint", str(tmp_path / "model")]) == 1
    out, error = capsys.readouterr()
    assert "pickled file" in error and not out and error.count("\n") == 1
    assert main(["check", "--checkpoint", str(CKPT), "--profile", "12gb"]) == 1
    assert "torch finds none here" in capsys.readouterr().err


def test_quantise_saves_a_quantised_copy_that_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(CKPT, tmp_path / "model")
    wish = ["--checkpoint", str(tmp_path / "model"), "--profile", "cpu"]
    assert main(["quantise", *wish]) == 1
    assert "float32 is not quantised" in capsys.readouterr().err
    assert main(["quantise", *wish, "--precision", "fp8"]) == 0
    assert "quantised-fp8.safetensors" in capsys.readouterr().out
    assert load_checkpoint(tmp_path / "model", precision="fp8").report.from_copy
