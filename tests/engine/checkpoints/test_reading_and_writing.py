"""Checkpoint folders: what loads, what is refused and in which words, what is written."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.reader import load_checkpoint
from engine.checkpoints.writer import save_checkpoint
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig
from tests.tiny import CKPT, checkpoint

EMBEDDING = "language_model.model.embed_tokens.weight"
HEAD = "language_model.lm_head.weight"
AGAIN = "Nothing was loaded. Copy or fetch the whole model folder again, all files of one release."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(CKPT, tmp_path / "model")
    return tmp_path / "model"


def rewrite(folder: Path, change) -> None:
    tensors = load_file(folder / "ema.safetensors")
    change(tensors)
    save_file(tensors, folder / "ema.safetensors")


def test_a_written_folder_reads_back_the_same(tmp_path: Path) -> None:
    one = checkpoint()
    extras = {"vae_transform": [128, 32, 16], "default_image_size": [64, 96]}
    save_checkpoint(
        tmp_path / "out", one.model, one.autoencoder, CKPT, extras=extras, autoencoder_dtype=torch.float32
    )
    two = load_checkpoint(tmp_path / "out")
    assert two.model.config == one.model.config and two.autoencoder.config == one.autoencoder.config
    for module, other in ((one.model, two.model), (one.autoencoder, two.autoencoder)):
        state = other.state_dict()
        assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert two.extras["vae_transform"] == [128, 32, 16]
    assert not list((tmp_path / "out").glob("*.part"))
    assert two.digest != one.digest


def test_writing_without_a_tokenizer_writes_nothing(tmp_path: Path) -> None:
    one = checkpoint()
    with pytest.raises(FileNotFoundError, match="tokenizer.json"):
        save_checkpoint(tmp_path / "out", one.model, one.autoencoder, tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["ema_bf16.safetensors", "model.safetensors"])
def test_the_other_weight_names_are_found(folder: Path, name: str) -> None:
    (folder / "ema.safetensors").rename(folder / name)
    assert load_checkpoint(folder).model.config == checkpoint().model.config


@pytest.mark.parametrize("content", [None, "{'broken': ", "[1, 2]"])
def test_config_json_is_optional_and_may_be_broken(folder: Path, content: str | None) -> None:
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content)
    loaded = load_checkpoint(folder)
    assert loaded.model.config == checkpoint().model.config and loaded.extras == {}


def test_a_config_cut_short_is_not_taken_for_none(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text()[:300])
    with pytest.raises(CheckpointError, match="config.json is not valid JSON"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"vae_config": {"norm_groups": 7}}, "groups"),
        ({"vae_config": [1]}, "list"),
        ({"max_latent_size": "x"}, "x"),
    ],
)
def test_sizes_that_make_no_model_are_a_sentence(folder: Path, stated: dict[str, object], words: str) -> None:
    (folder / "config.json").write_text(json.dumps(stated))
    with pytest.raises(CheckpointError, match=f"cannot make a model: .*{words}"):
        load_checkpoint(folder)


def test_a_foreign_autoencoder_is_named(folder: Path) -> None:
    save_file({"encoder.conv_in.weight": torch.zeros(32, 3, 3, 3)}, folder / "ae.safetensors")
    with pytest.raises(CheckpointError, match="not an autoencoder of this kind: it lacks 'encoder.down.0'"):
        load_checkpoint(folder)


def test_a_missing_head_means_tied_words(folder: Path, tmp_path: Path) -> None:
    rewrite(folder, lambda t: t.pop(HEAD))
    loaded = load_checkpoint(folder)
    assert loaded.model.language_model.lm_head.weight is loaded.model.language_model.model.embed_tokens.weight
    save_checkpoint(tmp_path / "tied", loaded.model, loaded.autoencoder, folder)
    assert HEAD not in load_file(tmp_path / "tied" / "ema.safetensors")
    assert load_checkpoint(tmp_path / "tied").model.config.language.tie_word_embeddings


def test_missing_tables_are_computed(folder: Path) -> None:
    rewrite(folder, lambda t: [t.pop(f"{n}_pos_embed.pos_embed") for n in ("latent", "vit")])
    tables = load_checkpoint(folder).model.vit_pos_embed.pos_embed
    assert (tables - checkpoint().model.vit_pos_embed.pos_embed).abs().max() < 3e-3


def test_wrong_tensors_are_named(folder: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors.pop("connector.fc2.bias")
        tensors["stranger.weight"] = torch.zeros(2)
        tensors["vae2llm.bias"] = torch.zeros(3)

    rewrite(folder, change)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    said = str(caught.value)
    assert "missing: connector.fc2.bias" in said and "unknown: stranger.weight" in said
    assert "vae2llm.bias is [3], not [64]" in said
    assert said.startswith("The tensors of ema.safetensors do not fit") and said.endswith(AGAIN)


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("llm2vae.weight", None, "llm2vae.weight is missing from ema.safetensors"),
        (
            "llm2vae.weight",
            torch.zeros(4),
            r"llm2vae.weight in ema.safetensors has shape \[4\]; 2 ",
        ),
        ("llm2vae.weight", torch.zeros(48, 64), "llm2vae.weight in ema.safetensors tells no size: 3 is not"),
        ("llm2vae.weight", torch.zeros(17, 64), "makes 17 values a token.* of ae.safetensors"),
        ("latent_pos_embed.pos_embed", torch.zeros(5, 64), "latent_pos_embed.pos_embed in ema.safetensors"),
    ],
)
def test_tensors_that_tell_no_sizes_are_named_with_their_file(
    folder: Path, name: str, tensor: torch.Tensor | None, words: str
) -> None:
    rewrite(folder, lambda t: t.pop(name) if tensor is None else t.update({name: tensor}))
    with pytest.raises(CheckpointError, match=f"{words}.*{AGAIN}"):
        load_checkpoint(folder)


def test_disagreeing_configs_are_named(folder: Path) -> None:
    config = json.loads((folder / "llm_config.json").read_text())
    (folder / "llm_config.json").write_text(json.dumps({**config, "num_key_value_heads": 4}))
    with pytest.raises(CheckpointError, match=f"num_key_value_heads is 4 but the tensors say 2. {AGAIN}"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("file", "stated", "todo"),
    [
        ("llm_config.json", {"hidden_act": "relu"}, "Give the folder of another model"),
        ("vit_config.json", {"hidden_act": "relu"}, "Give the folder of another model"),
        ("vit_config.json", {"num_attention_heads": None}, "Copy or fetch the whole model folder again"),
        ("config.json", {"connector_act": "relu"}, "Give the folder of another model"),
    ],
)
def test_what_a_config_asks_for_in_vain_is_named(
    folder: Path, file: str, stated: dict[str, object], todo: str
) -> None:
    config = json.loads((folder / file).read_text()) | stated
    said = {key: value for key, value in config.items() if value is not None}
    (folder / file).write_text(json.dumps(said))
    with pytest.raises(CheckpointError, match=f"^{file} .*Nothing was loaded. {todo}"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("ema.safetensors", pickle.dumps({"a": 1}), "pickled.*fetch the weights as safetensors"),
        ("ema.safetensors", b"PK\x03\x04" + b"0" * 100, "pickled"),
        ("ae.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("ema.safetensors", None, "cut short"),
        ("ae.safetensors", b"", "cut short"),
        ("llm_config.json", b"{", "not valid JSON"),
        ("tokenizer.json", b"{}", "tokenizer files"),
    ],
)
def test_broken_files_are_told_apart(folder: Path, file: str, content: bytes | None, words: str) -> None:
    path = folder / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(folder)


def test_missing_files_are_told_apart(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        load_checkpoint(tmp_path / "nowhere")
    (folder / "ae.safetensors").rename(folder / "ae.gone")
    with pytest.raises(CheckpointError, match="ae.safetensors is missing"):
        load_checkpoint(folder)
    (folder / "ema.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin is a pickled file"):
        load_checkpoint(folder)
    with pytest.raises(CheckpointError, match="Precision 'int3'"):
        load_checkpoint(CKPT, precision="int3")


def test_framing_tokens_without_a_row_get_one_and_it_is_said(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()

    def shorten(tensors: dict[str, torch.Tensor]) -> None:
        for name in (EMBEDDING, HEAD):
            tensors[name] = tensors[name][:562].clone()

    config = json.loads((folder / "llm_config.json").read_text())
    (folder / "llm_config.json").write_text(json.dumps({**config, "vocab_size": 562}))
    rewrite(folder, shorten)
    loaded = load_checkpoint(folder)
    assert loaded.model.language_model.lm_head.weight.shape[0] == 564
    assert loaded.model.config.language.vocab_size == 564
    assert any("never trained" in note for note in loaded.notes)
    assert any("<|vision_end|>" in note for note in loaded.notes)


def test_a_random_model_can_be_written(tmp_path: Path) -> None:
    config: BagelConfig = checkpoint().model.config
    save_checkpoint(tmp_path, Bagel.random(config, 1), checkpoint().autoencoder, CKPT)
    assert load_checkpoint(tmp_path, precision="bf16").model.dtype == torch.bfloat16
