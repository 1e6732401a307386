"""Several gpus: what is counted against each, and that a model in two places says what a whole one says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from bitsandbytes.functional import quantize_blockwise
from torch import Tensor

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.layer_placement import LayerPlacement
from engine.checkpoints.quantise.convert import FORMATS, convert
from engine.checkpoints.reader import load_checkpoint
from engine.checkpoints.validated_folder import validate_folder
from engine.inference.context_cache import ContextCache
from engine.inference.decoding import EagerDecoder
from engine.inference.flow import Guidance, sample
from engine.inference.prefill import Context, TextTokens
from engine.model.bagel import Bagel
from engine.model.host_embedding import HostEmbedding
from engine.placement.device_map import place_layers, split_layers
from tests.fake_gpu import GPU, ClashError, Watched
from tests.tiny import CKPT, checkpoint, picture


def test_layers_are_split_by_what_each_gpu_holds() -> None:
    with torch.device("meta"):
        model = Bagel(checkpoint().model.config)
    layer = sum(p.numel() * 2 for p in model.language_model.model.layers[0].parameters())
    rest = sum(p.numel() * 2 for p in model.state_dict().values()) - 3 * layer
    split = split_layers(model, {"cuda:1": rest + int(1.5 * layer), "cuda:0": 3 * layer}, torch.bfloat16)
    assert split.layers == ("cuda:1", "cuda:0", "cuda:0")
    assert split.device_of("language_model.model.layers.2.mlp.up_proj.weight") == "cuda:0"
    assert split.device_of("vit_model.vision_model.post_layernorm.bias") == "cuda:1"
    with pytest.raises(CheckpointError, match="doesn't fit on these GPUs"):
        split_layers(model, {"cuda:0": rest + layer, "cuda:1": layer}, torch.bfloat16)
    fits = {"cuda:0": rest + layer, "cuda:1": 2 * layer}
    assert split_layers(model, fits, torch.bfloat16).layers == ("cuda:0", "cuda:1", "cuda:1")
    with pytest.raises(CheckpointError, match="doesn't fit on these GPUs"):
        split_layers(model, fits, torch.bfloat16, reserved=1)
    for spare in (0, layer // 2, layer - 1):  # less than a layer is room for none, for the last one neither
        nearly = {"cuda:0": rest + 2 * layer + spare, "cuda:1": layer}
        assert split_layers(model, nearly, torch.bfloat16).layers == ("cuda:0", "cuda:0", "cuda:1")


def test_embeddings_on_the_host_or_tied_ones_take_no_gpu_twice() -> None:
    with torch.device("meta"):
        model = Bagel(checkpoint().model.config)
    words = model.language_model.model.embed_tokens.weight
    layer = sum(p.numel() * 2 for p in model.language_model.model.layers[0].parameters())
    rest = sum(p.numel() * 2 for p in model.state_dict().values()) - 3 * layer
    table = words.numel() * 2
    tight = {"cuda:0": rest + layer - table, "cuda:1": 2 * layer}
    with pytest.raises(CheckpointError, match="doesn't fit on these GPUs"):
        split_layers(model, tight, torch.bfloat16)
    with torch.device("meta"):
        model.language_model.model.embed_tokens = HostEmbedding(*words.shape)
    assert split_layers(model, tight, torch.bfloat16).layers == ("cuda:0", "cuda:1", "cuda:1")
    language = replace(model.config.language, tie_word_embeddings=True)
    with torch.device("meta"):
        tied = Bagel(replace(model.config, language=language))
    assert split_layers(tied, tight, torch.bfloat16).layers == ("cuda:0", "cuda:1", "cuda:1")


def test_rows_travel_over_the_border_and_heads_come_home() -> None:
    """The meta device stands for a second GPU: sending there works, sending back says that it was tried."""
    model = load_checkpoint(CKPT).model
    layers = model.language_model.model.layers
    layers[1:].to("meta")
    LayerPlacement("cpu", ("cpu", "meta", "meta")).connect(model)
    arrived, attended = [], []
    layers[1].register_forward_pre_hook(lambda _, given: arrived.append(given[0][0].hidden.device.type))

    def attend(layer: int, heads: list) -> list[Tensor]:
        attended.append((layer, heads[0][0].device.type))
        return [heads[0][0].flatten(1)]

    group = model.language_model.expert_rows("", torch.zeros(4, 64), torch.arange(4))
    with pytest.raises(NotImplementedError, match="out of meta tensor"):
        model.language_model([group], attend)
    assert arrived == ["meta"] and attended == [(0, "cpu")]


def two_places(first: str, second: str, precision: str) -> Bagel:
    """The checkpoint with its first layer in one place and the other two in another one."""
    with torch.device("meta"):
        model = Bagel(checkpoint().model.config)
    if precision in FORMATS:
        convert(model, precision, head=False)
    layer, all_layers, whole, pixels = (
        sum(value.nbytes for value in (*part.parameters(), *part.buffers()))
        for part in (model.language_model.model.layers[0], model.language_model.model.layers, model,
                     checkpoint().autoencoder)
    )  # fmt: skip
    room = {first: whole - all_layers + pixels + int(1.5 * layer), second: 3 * layer}
    layers = place_layers(
        validate_folder(CKPT), precision, room, head=False, embeddings_on_host=False, tile=None
    )
    return load_checkpoint(CKPT, first, precision, layers=layers).model


def drawn(model: Bagel, context: Context) -> Tensor:
    """Two guided updates of a picture of two by three tokens."""
    tokens = checkpoint().tokenizer.tokens
    noise = torch.randn(6, model.config.latent_values, generator=torch.Generator().manual_seed(1))
    guidance = {"text_free": Context(), "image_free": context, "guidance": Guidance(4.0, 1.0, -1.0, 1.0)}
    *_, last = sample(model, tokens, noise, (2, 3), context, timesteps=3, shift=1.0, **guidance)
    return last.x


def written(model: Bagel, context: Context) -> Tensor:
    """Logits after each of three more words."""
    decoder = EagerDecoder(model)
    decoder.begin(context, 3)
    return torch.stack([decoder.feed(word).clone() for word in (3, 9, 4)])


@pytest.mark.parametrize("precision", ["float32", "nf4"])
def test_a_model_in_two_places_reads_draws_and_writes_the_same(precision: str) -> None:
    split = two_places("cpu", "cpu:0", precision)
    whole = load_checkpoint(CKPT, precision=precision).model
    for layer in split.language_model.model.layers:
        assert len(layer._forward_pre_hooks) == (layer.index > 0), "the border lies behind the first layer"
    contexts = [
        ContextCache(model, checkpoint().tokenizer.tokens).build([TextTokens((5, 6, 7)), *picture(1)])[0]
        for model in (split, whole)
    ]
    assert all(map(torch.equal, *([s.last_hidden for s in context.segments] for context in contexts)))
    assert torch.equal(drawn(split, contexts[0]), drawn(whole, contexts[1]))
    assert torch.equal(written(split, contexts[0]), written(whole, contexts[1]))


@pytest.mark.parametrize("precision", ["float32", "nf4"])
def test_nothing_meets_what_lies_across_the_border(precision: str) -> None:
    """The GPU without numbers refuses what lies elsewhere; here it is the second of two."""
    quantize_blockwise(torch.zeros(64))  # makes a table that bitsandbytes keeps: not one without numbers
    with Watched():
        model = two_places("cpu", str(GPU), precision)
        layers = model.language_model.model.layers
        places = [{value.device.type for value in layer.state_dict().values()} for layer in layers]
        assert places == [{"cpu"}, {GPU.type}, {GPU.type}]
        items = [TextTokens((5, 6, 7)), *picture(1)]
        context, _ = ContextCache(model, checkpoint().tokenizer.tokens).build(items)
        assert all(segment.keys.device.type == "cpu" for segment in context.segments)
        assert drawn(model, context).device.type == written(model, context).device.type == "cpu"
        layers[1]._forward_pre_hooks.clear()  # that this test can fail
        with pytest.raises(ClashError, match="cpu"):
            ContextCache(model, checkpoint().tokenizer.tokens).build(items)
