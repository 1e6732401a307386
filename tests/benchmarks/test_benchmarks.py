"""The benchmarks run, say what they compared, and refuse to time what isn't the same. No times are judged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, midsize, plain, reuse
from benchmarks.models import MIDSIZE, random_model
from benchmarks.table import Clock, Row, Table, at_least, at_most, in_turns, show
from engine.checkpoints.random_folder import BAGEL_7B
from engine.inference.decoding import StaticSteps
from engine.model.autoencoder import AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig
from tests.tiny import CKPT

TINY = BagelConfig(
    LanguageConfig(32, 2, 4, 2, 48, 300), VisionConfig(16, 1, 2, 24), latent_channels=4, latent_side=8
)


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
    rows = {row.what: row for row in midsize.measure(folder, 1)}
    assert rows["largest difference of a latent, both ways"].met
    assert rows["text: times as fast as the plain way"].target == "≥ 1.5 ×"
    monkeypatch.setattr(plain, "draw", lambda *_: torch.zeros(4, 64))
    with pytest.raises(RuntimeError, match="disagree"):
        midsize.measure(folder, 1)


def test_reuse_counts_what_each_way_reads(folder: Path) -> None:
    rows = {row.what: row for row in reuse.measure(folder, "cpu", 1)}
    assert rows["less reading"].value >= 2 and rows["less reading"].met
    once, each = (rows[f"3 rounds: tokens read, {way}"].value for way in ("reusing", "call by call"))
    assert 0 < once < each
    assert 0 < rows["edit at the last plan of 10 pictures: tokens read, warm"].value < 200


def test_gpu_says_plainly_that_there_is_no_card(capsys) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a card, and this would measure it")
    assert gpu.main([]) == 0
    assert "no graphics card" in capsys.readouterr().out


def test_what_gpu_measures_runs_on_any_device() -> None:
    model, autoencoder = random_model(
        TINY, AutoencoderConfig(ch=32, ch_mult=(1, 1, 1, 1), z_channels=4), "cpu"
    )
    assert not any(
        value.is_meta for value in [*model.state_dict().values(), *autoencoder.state_dict().values()]
    )
    subject = gpu.Subject(model, autoencoder, gpu.Size(pixels=32, seen_pixels=28, points=4, text=4))
    assert subject.seconds_to_draw() > 0 and subject.seconds_to_draw(draft=True) > 0
    assert subject.tokens_a_second(StaticSteps(model, places=128)) > 0
    subject.whole_picture(edit=True)
    subject.in_turn = True
    subject.whole_picture(edit=False)


def test_the_sizes_are_what_they_are_called() -> None:
    with torch.device("meta"):
        counts = [sum(v.numel() for v in Bagel(c).state_dict().values()) / 1e6 for c in (MIDSIZE, BAGEL_7B)]
    assert round(counts[0]) == 71 and round(counts[1]) == 14607


def test_a_table_is_printed_and_written(tmp_path: Path, capsys) -> None:
    rows = [
        at_least("fast", 2.0, 1.5),
        at_most("large", 12.0, 11.0, "GiB"),
        Row("far", None, remark="no card"),
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


def test_ways_are_run_in_turns() -> None:
    order: list[str] = []
    seconds = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3 and set(seconds) == {"a", "b"}
