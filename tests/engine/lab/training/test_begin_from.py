"""A training that begins from a checkpoint: its weights, its words, its autoencoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from engine.checkpoints.sizes import EMBEDDING, LM_HEAD
from engine.core.assets import default_checkpoint
from engine.lab.training.export import export
from engine.lab.training.starting_point import (
    CONFIGS,
    begin_from,
    load_autoencoder,
    make_tokenizer,
    new_model,
    rows,
)
from engine.lab.training.tokenizer import move_word_rows, train_tokenizer
from tests.engine.lab.command_line import restroke


def test_only_the_model_is_trained_by_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert restroke("train", "all", "--work", tmp_path / "work") == 1
    assert "train the stage unified only" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


class TestBeginningFromACheckpoint:
    def test_an_empty_folder_takes_its_weights_and_words(self, tmp_path: Path) -> None:
        begin_from(default_checkpoint(), tmp_path, 0)
        tokenizer = make_tokenizer(tmp_path, 0)
        whose = default_checkpoint() / "tokenizer.json"
        assert tokenizer.get_vocab() == Tokenizer.from_file(str(whose)).get_vocab()
        model = new_model(tmp_path, 0)
        shipped = load_file(default_checkpoint() / "ema.safetensors")
        assert torch.equal(model.llm2vae.weight, shipped["llm2vae.weight"].float())
        assert load_autoencoder(tmp_path, "cpu").config.z_channels == 16

    def test_words_move_to_where_another_tokenizer_has_them(self, tmp_path: Path) -> None:
        texts = ["a red house by the sea"] * 20
        old = train_tokenizer(texts, tmp_path / "old")
        new = train_tokenizer([*texts, "two lanterns and a sea horse"] * 20, tmp_path / "new")
        known, ids = old.get_vocab(), new.get_vocab()
        table = torch.randn(len(known) + 7, 4)
        found = move_word_rows({EMBEDDING: table, LM_HEAD: -table, "norm": table[0]}, old, new, len(ids) + 5)
        moved = found[EMBEDDING]
        assert moved.shape == (len(ids) + 5, 4) and torch.equal(found[LM_HEAD], -moved)
        assert torch.equal(found["norm"], table[0])
        both = ids.keys() & known.keys()
        assert {"<|vision_start|>", "<|endoftext|>", "Ġhouse"} < both
        assert any(ids[token] != known[token] for token in both)
        for token in both:
            assert torch.equal(moved[ids[token]], table[known[token]])
        assert "Ġlanterns" in ids.keys() - both
        pieces = [known[letter] for letter in "Ġlanterns"]
        assert torch.allclose(moved[ids["Ġlanterns"]], table[pieces].mean(0))

    def test_what_a_word_means_survives_another_tokenizer(self, tmp_path: Path) -> None:
        make_tokenizer(tmp_path, 0, count=60)
        begin_from(default_checkpoint(), tmp_path, 0, new_words=True)
        tokenizer = make_tokenizer(tmp_path, 0)
        weights = load_file(tmp_path / "unified.start.safetensors")
        shipped = load_file(default_checkpoint() / "ema.safetensors")
        old = Tokenizer.from_file(str(default_checkpoint() / "tokenizer.json"))
        assert len(weights[EMBEDDING]) == rows(tokenizer) != len(shipped[EMBEDDING])
        for token in ("Ġred", "<|im_start|>"):
            for name in (EMBEDDING, LM_HEAD):
                row = shipped[name][old.token_to_id(token)]
                assert torch.equal(weights[name][tokenizer.token_to_id(token)], row)

    def test_the_command_begins_from_one(self, tmp_path: Path) -> None:
        where = ["--work", tmp_path, "--device", "cpu"]
        begin = ["--begin-from", default_checkpoint()]
        assert restroke("train", "data", *where, *begin, "--shards", 0) == 0
        assert (tmp_path / "unified.start.safetensors").exists()
        before = (tmp_path / "ae.safetensors").read_bytes()
        assert restroke("train", "autoencoder", *where, "--autoencoder-steps", 1) == 0
        assert (tmp_path / "ae.safetensors").read_bytes() == before
        out = tmp_path / "out"
        assert restroke("train", "export", *where, "--out", out) == 0
        for name in ("ema.safetensors", "ae.safetensors"):
            found, shipped = (load_file(at / name) for at in (out, default_checkpoint()))
            assert found.keys() == shipped.keys()
            assert all(torch.equal(found[key], shipped[key]) for key in shipped)
        for name in ("config.json", "training.json"):
            found, shipped = (json.loads((at / name).read_text()) for at in (out, default_checkpoint()))
            assert found == shipped

    def test_a_decoder_that_was_trained_on_is_exported_in_bfloat16(self, tmp_path: Path) -> None:
        begin_from(default_checkpoint(), tmp_path, 0)
        trained = {k: v.float() * 2 for k, v in load_file(tmp_path / "ae.safetensors").items()}
        save_file(trained, tmp_path / "ae.safetensors")
        log = {"seconds": 60, "steps": 1, "curve": [{"psnr": 30.0, "ssim": 0.9}]}
        (tmp_path / "decoder.json").write_text(json.dumps(log))
        found = load_file(export(tmp_path, tmp_path / "out", seed=0, machine="") / "ae.safetensors")
        assert {value.dtype for value in found.values()} == {torch.bfloat16}
        assert all(torch.equal(found[name].float(), trained[name]) for name in trained)

    def test_a_work_folder_without_configs_has_the_storybook_s_sizes(self, tmp_path: Path) -> None:
        begin_from(default_checkpoint(), tmp_path / "new", 0)
        old = tmp_path / "old"
        shutil.copytree(tmp_path / "new", old)
        for name in CONFIGS:
            (old / name).unlink(missing_ok=True)
        for name in ("unified.start.safetensors", "ae.safetensors"):
            save_file({k: v.float() for k, v in load_file(old / name).items()}, old / name)
        models = [new_model(folder, 0) for folder in (old, tmp_path / "new")]
        assert models[0].config == models[1].config
        states = [model.state_dict() for model in models]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])
        assert restroke("train", "export", "--work", old, "--out", tmp_path / "out") == 0
        exported, shipped = (
            load_file(at / "ema.safetensors") for at in (tmp_path / "out", default_checkpoint())
        )
        assert all(torch.equal(exported[name], shipped[name]) for name in shipped)

    def test_a_training_under_way_is_not_overwritten(self, tmp_path: Path) -> None:
        begin_from(default_checkpoint(), tmp_path, 0)
        with pytest.raises(FileExistsError, match="another --work"):
            begin_from(default_checkpoint(), tmp_path, 0)
