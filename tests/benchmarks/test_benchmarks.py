"""The benchmarks run, say what they compared, and refuse to time what isn't the same. No times are judged."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import torch

import app
from benchmarks import baseline, gpu, midsize, reuse
from benchmarks.load_speed import LOOK_EVERY, HostPeak
from benchmarks.models import MIDSIZE, random_model
from benchmarks.table import Clock, Row, Table, at_least, at_most, show, time_alternately
from engine.inference.decoding import CudaGraphDecoder
from engine.model.autoencoder import AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BAGEL_7B, BagelConfig, LanguageConfig, VisionConfig
from tests.tiny import CKPT

TINY = BagelConfig(
    LanguageConfig(32, 2, 4, 2, 48, 300), VisionConfig(16, 1, 2, 24), latent_channels=4, latent_side=8
)

PIXELS = AutoencoderConfig(ch=32, ch_mult=(1, 1, 1, 1), z_channels=4)
SMALL = gpu.Size(pixels=32, seen_pixels=28, points=4, text=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    target = tmp_path_factory.mktemp("benchmarks") / "tiny"
    shutil.copytree(CKPT, target)
    config = json.loads((target / "config.json").read_text())
    config |= {"vae_transform": [64, 32, 16], "vit_transform": [56, 28, 14], "default_image_size": [32, 32]}
    (target / "config.json").write_text(json.dumps(config | {"sampling": {"timesteps": 3, "max_tokens": 8}}))
    return target


def test_midsize_compares_both_ways_before_it_times_them(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(midsize, "SIDE", 2)
    monkeypatch.setattr(midsize, "TOKENS", 6)
    monkeypatch.setattr(midsize, "_has_bfloat16", lambda: True)  # others are not timed with it
    rows = {row.what: row for row in midsize.measure(folder, 1)}
    assert rows["updates: bfloat16 against float32"].value > 0
    assert rows["largest difference of a latent, both ways"].met
    assert rows["text: times as fast as the baseline"].target == "≥ 1.5 ×"
    monkeypatch.setattr(baseline, "draw", lambda *_: torch.zeros(4, 64))
    with pytest.raises(RuntimeError, match="disagree"):
        midsize.measure(folder, 1)


def test_reuse_counts_what_each_way_reads(folder: Path) -> None:
    rows = {row.what: row for row in reuse.measure(folder, 1)}
    assert rows["less reading"].value >= 2 and rows["less reading"].met
    once, each = (rows[f"3 rounds: tokens read, {way}"].value for way in ("reusing", "call by call"))
    assert 0 < once < each
    assert 0 < rows["edit at the last plan of 10 pictures: tokens read, warm"].value < 200


def test_without_a_gpu_nothing_is_measured(capsys) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU, and this would measure it")
    assert app.main(["bench", "gpu"]) == 0
    assert "no GPU" in capsys.readouterr().out


def test_what_gpu_measures_runs_on_any_device() -> None:
    model, autoencoder = random_model(TINY, PIXELS, "cpu")
    assert not any(
        value.is_meta for value in [*model.state_dict().values(), *autoencoder.state_dict().values()]
    )
    subject = gpu.Subject(model, autoencoder, SMALL)
    assert subject.seconds_to_draw() > 0 and subject.seconds_to_draw(draft=True) > 0
    assert subject.tokens_a_second(CudaGraphDecoder(model, tokens=128)) > 0
    subject.whole_picture(edit=True)
    subject.sequential_guidance = True
    subject.whole_picture(edit=False)


def test_gpu_measures_every_precision_in_one_table() -> None:
    def build(precision: str) -> gpu.Subject:
        return gpu.Subject(*random_model(TINY, PIXELS, "cpu", precision), SMALL)

    table = Table(Clock(600))
    gpu.speeds(build, table)
    rows = {row.what: row for row in table.rows}
    drawn = [row for what, row in rows.items() if what.startswith("1024²") and "bf16" in what]
    assert len(drawn) == 3 and all(row.value > 0 and row.target for row in drawn)
    assert rows["sequential guidance: share of the time in one pass"].value > 0
    assert {"text, bf16", "text, nf4", "making the model on the GPU, fp8"} <= rows.keys()
    assert not [row for row in table.rows if row.value is None and "CUDA" not in row.remark]


def test_a_load_says_what_bounds_it_and_what_it_holds(folder: Path) -> None:
    table = Table(Clock(600))
    gpu.loading(folder, table, "cpu")
    rows = {row.what: row for row in table.rows}
    assert rows["loading a folder to nf4"].value > 0
    assert rows["the disk alone"].value > 0 and rows["the quantiser alone"].value > 0
    assert 0 <= rows["main memory while loading, beyond the page cache"].value < 3


def test_no_file_is_written_where_there_is_no_room_or_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "MIDSIZE", TINY)
    monkeypatch.setattr(gpu, "MIDSIZE_AUTOENCODER", PIXELS)
    monkeypatch.setattr(gpu, "default_checkpoint", lambda: CKPT)
    monkeypatch.setattr(gpu, "FILE", 10**6)
    gpu.check_room(tmp_path, Clock(600))
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match="no time; give a folder with --checkpoint"):
        gpu.check_room(tmp_path, Clock(0))
    monkeypatch.setattr(gpu, "FILE", 10**18)
    with pytest.raises(OSError, match="no room"):
        gpu.check_room(tmp_path, Clock(600))


def test_the_most_main_memory_is_seen_while_it_is_held() -> None:
    with HostPeak() as host:
        held = torch.ones(64 * 2**20, dtype=torch.uint8)
        time.sleep(3 * LOOK_EVERY)
        del held
    assert 60 * 2**20 < host.bytes < 200 * 2**20


def test_the_sizes_are_what_they_are_called() -> None:
    with torch.device("meta"):
        counts = [sum(v.numel() for v in Bagel(c).state_dict().values()) / 1e6 for c in (MIDSIZE, BAGEL_7B)]
    assert round(counts[0]) == 71 and round(counts[1]) == 14607


def test_a_table_is_printed_and_written(tmp_path: Path, capsys) -> None:
    rows = [
        at_least("fast", 2.0, 1.5),
        at_most("large", 12.0, 11.0, "GiB"),
        Row("far", None, remark="no GPU"),
    ]
    show("Title", rows, tmp_path / "figures.json")
    out = capsys.readouterr().out
    assert "2 ×" in out and "met" in out and "missed" in out and "not measured" in out
    assert [row["met"] for row in json.loads((tmp_path / "figures.json").read_text())["rows"]] == [
        True,
        False,
        None,
    ]


def test_a_row_that_fails_leaves_the_others_standing() -> None:
    table = Table(Clock(60))
    assert table.add("bad", lambda: 1 / 0, Row) is None
    assert table.add("good", lambda: 2.0, at_most, 3.0, "s") == 2.0
    assert table.add("late", lambda: 2.0, Row, needs=1e6) is None
    assert [row.met for row in table.rows] == [None, True, None]
    assert "ZeroDivisionError" in table.rows[0].remark and "no time" in table.rows[2].remark


def test_ways_are_run_alternately() -> None:
    order: list[str] = []
    seconds = time_alternately({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3 and set(seconds) == {"a", "b"}
