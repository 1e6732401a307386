"""Loading: shards, precisions, quantised copies, progress and stopping, bounded memory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks.load_speed import measure_load
from benchmarks.random_folder import write_random_folder
from engine.checkpoints import quantised_cache, stream
from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.files import TensorFiles, find_weights
from engine.checkpoints.progress import LoadingCancelled, LoadProgress
from engine.checkpoints.quantise.convert import FORMATS
from engine.checkpoints.quantised_cache import cache_path
from engine.checkpoints.reader import Checkpoint, load_checkpoint
from engine.checkpoints.stream import ReadStats
from engine.checkpoints.validated_folder import validate_folder
from engine.inference.context_cache import ContextCache
from engine.inference.prefill import TextTokens
from engine.model.bagel import Bagel
from engine.model.host_embedding import HostEmbedding
from tests.tiny import CKPT, checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(CKPT, tmp_path / "model")
    return tmp_path / "model"


def shard(folder: Path, count: int = 3) -> None:
    tensors = load_file(folder / "ema.safetensors")
    (folder / "ema.safetensors").unlink()
    names = sorted(tensors)
    for number in range(count):
        part = {name: tensors[name] for name in names[number::count]}
        save_file(part, folder / f"model-{number + 1:05}-of-{count:05}.safetensors")


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(*(x.flatten().view(torch.uint8) for x in (a, b)))


def hidden(model: Bagel) -> Tensor:
    """What the model makes of three words."""
    context, _ = ContextCache(model, checkpoint().tokenizer.tokens).build([TextTokens((5, 6, 7))])
    return context.segments[-1].last_hidden


def test_shards_load_as_one_file_does(folder: Path) -> None:
    shard(folder)
    loaded = load_checkpoint(folder)
    assert same(loaded.model, checkpoint().model)
    assert loaded.digest != checkpoint().digest  # other files


def test_a_missing_shard_is_named(folder: Path) -> None:
    shard(folder)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match="lacks model-00002-of-00003.safetensors of its 3 shards"):
        load_checkpoint(folder)


def test_a_cut_shard_is_named(folder: Path) -> None:
    shard(folder)
    path = folder / "model-00003-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="model-00003-of-00003.safetensors cannot be read: it is cut"):
        load_checkpoint(folder)


def test_a_tensor_in_two_shards_is_named(folder: Path) -> None:
    shard(folder)
    path = folder / "model-00003-of-00003.safetensors"
    again = next(iter(load_file(folder / "model-00001-of-00003.safetensors").items()))
    save_file(dict([*load_file(path).items(), again]), path)
    with pytest.raises(CheckpointError, match="holds .*, which model-00001-of-00003.safetensors holds too"):
        load_checkpoint(folder)


def test_wrong_tensors_are_named_with_their_shard(folder: Path) -> None:
    shard(folder)
    path = folder / "model-00002-of-00003.safetensors"
    tensors = load_file(path)
    gone, bent = [name for name in tensors if tensors[name].dim() == 1][:2]
    tensors["stranger.weight"], tensors[bent] = tensors.pop(gone), torch.zeros(3)
    save_file(tensors, path)
    with pytest.raises(CheckpointError) as caught:
        validate_folder(folder)
    said = str(caught.value)
    assert "model-00001-of-00003.safetensors and its other shards do not fit the model" in said
    assert f"missing: {gone};" in said
    assert "unknown: stranger.weight (in model-00002-of-00003.safetensors);" in said
    assert f"mis-shaped: {bent} (in model-00002-of-00003.safetensors) is [3], not " in said
    assert "fetch the whole model folder again" in said


def test_a_shard_that_cannot_be_opened_is_named(folder: Path) -> None:
    (folder / "ema.safetensors").unlink()
    (folder / "model-00001-of-00001.safetensors").mkdir()
    with pytest.raises(CheckpointError, match="the system does not let it be opened; see whose"):
        validate_folder(folder)


def test_numbers_of_an_unknown_kind_are_named(folder: Path) -> None:
    save_file({"vae2llm.bias": torch.zeros(64, dtype=torch.int64)}, folder / "ema.safetensors")
    with pytest.raises(CheckpointError, match="numbers of the kind 'I64'"):
        load_checkpoint(folder)


def test_a_file_cut_while_it_is_read_is_named(folder: Path) -> None:
    files = TensorFiles(find_weights(folder))
    path = folder / "ema.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="cut short while it was being read"):
        list(stream.stream(files, ReadStats()))


def test_large_tensors_come_in_pieces_and_arrive_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", 4096)
    files, stats = TensorFiles(find_weights(folder)), ReadStats()
    pieces = list(stream.stream(files, stats))
    assert max(piece.rows.nbytes for piece in pieces) < 64 * 1024  # 64 rows at least
    assert len(pieces) > 2 * len(files.stored)
    assert same(load_checkpoint(folder).model, checkpoint().model)
    by_pieces = load_checkpoint(folder, precision="nf4", head=True)
    monkeypatch.undo()
    assert same(by_pieces.model, load_checkpoint(folder, precision="nf4", head=True).model)


def test_the_reader_never_runs_far_ahead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    original = stream._bytes
    monkeypatch.setattr(stream, "_bytes", lambda *given: read.append(1) or original(*given))
    coming = stream.stream(TensorFiles(find_weights(folder)), ReadStats())
    next(coming)
    coming.close()  # joins the reading thread
    assert len(read) <= stream.AHEAD + 3  # the queue, the one taken, the one in hand, the header


@pytest.mark.parametrize("precision", FORMATS)
def test_a_quantised_copy_loads_to_the_same_bytes(folder: Path, precision: str) -> None:
    first = load_checkpoint(folder, precision=precision, head=True, copy=True)
    assert cache_path(folder, precision, head=True).is_file() and not first.report.from_copy
    second = load_checkpoint(folder, precision=precision, head=True)
    assert second.report.from_copy and same(first.model, second.model)
    assert first.digest == second.digest == checkpoint().digest
    assert first.precision == second.precision == f"{precision}+head"
    assert torch.equal(hidden(first.model), hidden(second.model))
    written = cache_path(folder, precision, head=True).read_bytes()
    cache_path(folder, precision, head=True).unlink()
    load_checkpoint(folder, precision=precision, head=True, copy=True)
    assert cache_path(folder, precision, head=True).read_bytes() == written
    assert not load_checkpoint(folder, precision=precision).report.from_copy  # another form


def damaged(loaded: Checkpoint) -> bool:
    """Whether all came from the original weights, with a note about the copy and what to do about it."""
    (note,) = loaded.notes
    assert "quantised-nf4.safetensors is cut short or damaged, so it was ignored" in note
    assert "Delete this quantised copy, or save it again" in note
    return not loaded.report.from_copy


@pytest.mark.parametrize("left", [0, 7, 100, -100])
def test_a_damaged_copy_stops_nothing(folder: Path, left: int) -> None:
    first = load_checkpoint(folder, precision="nf4", copy=True)
    path = cache_path(folder, "nf4", head=False)
    path.write_bytes(path.read_bytes()[:left])
    again = load_checkpoint(folder, precision="nf4")
    assert damaged(again) and same(again.model, first.model) and again.digest == first.digest
    load_checkpoint(folder, precision="nf4", copy=True)  # it is made again
    rewritten = load_checkpoint(folder, precision="nf4")
    assert rewritten.report.from_copy and not rewritten.notes


def test_a_copy_of_other_weights_is_left_alone(folder: Path) -> None:
    load_checkpoint(folder, precision="nf4", copy=True)
    tensors = load_file(folder / "ema.safetensors")
    tensors["vae2llm.weight"][3, 3] += 1  # same names, shapes and size
    save_file(tensors, folder / "ema.safetensors")
    loaded = load_checkpoint(folder, precision="nf4")
    assert not loaded.report.from_copy
    assert any("was not made from the weights beside it" in note for note in loaded.notes)


def test_a_copy_with_something_missing_or_other_numbers_stops_nothing(folder: Path) -> None:
    first = load_checkpoint(folder, precision="nf4", copy=True)
    path = cache_path(folder, "nf4", head=False)
    tensors, said = (
        load_file(path),
        {quantised_cache.KEY: quantised_cache.read_metadata(path)[quantised_cache.KEY]},
    )
    gone = "language_model.model.layers.0.mlp.up_proj.scale"
    save_file({name: value for name, value in tensors.items() if name != gone}, path, said)
    again = load_checkpoint(folder, precision="nf4")
    assert damaged(again) and same(again.model, first.model)
    save_file(tensors | {gone: tensors[gone].view(torch.int8)}, path, said)
    assert damaged(load_checkpoint(folder, precision="nf4"))


def test_a_copy_needs_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised_cache.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(CheckpointError, match="Free some space"):
        load_checkpoint(folder, precision="nf4", copy=True)
    assert not cache_path(folder, "nf4", head=False).exists()


def test_progress_is_told_and_a_load_can_be_stopped(folder: Path) -> None:
    shares: list[float] = []
    loading = LoadProgress(lambda now: shares.append(now.share))
    load_checkpoint(folder, precision="nf4", loading=loading)
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] > 0.95 and len(shares) > 50

    def stop(now: LoadProgress) -> None:
        if now.share > 0.5:
            now.cancel()

    half = LoadProgress(stop)
    with pytest.raises(LoadingCancelled):
        load_checkpoint(folder, loading=half)
    assert half.share < 0.95


def test_words_on_the_host_change_nothing(folder: Path) -> None:
    apart = load_checkpoint(folder, embeddings_on_host=True)
    assert isinstance(apart.model.language_model.model.embed_tokens, HostEmbedding)
    assert torch.equal(hidden(apart.model), hidden(checkpoint().model))


def test_a_head_without_rows_for_all_tokens_stays_whole(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    tensors = load_file(folder / "ema.safetensors")
    for name in ("language_model.model.embed_tokens.weight", "language_model.lm_head.weight"):
        tensors[name] = tensors[name][:562].clone()
    save_file(tensors, folder / "ema.safetensors")
    config = json.loads((folder / "llm_config.json").read_text())
    (folder / "llm_config.json").write_text(json.dumps({**config, "vocab_size": 562}))
    loaded = load_checkpoint(folder, precision="nf4", head=True)
    assert loaded.model.language_model.lm_head.weight.shape[0] == 564 and loaded.precision == "nf4"


def test_a_random_folder_loads_whole_and_in_shards(tmp_path: Path) -> None:
    opened = validate_folder(CKPT)
    one = write_random_folder(tmp_path / "one", opened.config, opened.autoencoder, CKPT)
    three = write_random_folder(tmp_path / "three", opened.config, opened.autoencoder, CKPT, shards=3)
    assert len(find_weights(three)) == 3
    assert same(load_checkpoint(one).model, load_checkpoint(three).model)
    assert torch.isfinite(hidden(load_checkpoint(one).model)).all()


def test_what_bounds_a_load_is_measured(folder: Path) -> None:
    speed, loaded = measure_load(folder, "cpu", "nf4")
    files = [folder / name for name in ("ema.safetensors", "ae.safetensors")]
    assert speed.bytes == sum(file.stat().st_size for file in files)
    assert speed.disk > 0 and speed.quantiser > 0
    assert speed.peak_device is None and loaded.precision == "nf4"
    load_checkpoint(folder, precision="nf4", copy=True)
    with pytest.raises(ValueError, match="has a quantised copy"):
        measure_load(folder, "cpu", "nf4")
    assert measure_load(folder, "cpu", "nf4", from_copy=True)[0].quantiser is None
