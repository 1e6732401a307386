"""The CUDA graph decoder gives the same text as the eager one."""

from __future__ import annotations

import pytest
import torch

from engine.inference.decoding import CudaGraphDecoder, EagerDecoder, make_decoder
from engine.inference.prefill import Context
from engine.inference.text import decode
from engine.model.weight_layout import store_weights_by_column
from tests.tiny import CKPT, checkpoint, new_cache, picture, text


def written(decoder, context: Context, count: int = 6) -> tuple[list[int], torch.Tensor]:
    made = [
        (t.id, t.logits.clone())
        for t in decode(decoder, checkpoint().tokenizer.tokens, context, max_new_tokens=count)
    ]
    return [number for number, _ in made], torch.stack([logits for _, logits in made])


def stories() -> list[Context]:
    return new_cache().build_all([[text("A red car"), *picture(1), text("now")], [text("A red")], []])[0]


def test_an_overflow_in_one_text_does_not_reach_the_next() -> None:
    static = CudaGraphDecoder(checkpoint().model, tokens=64)
    first = written(static, stories()[0])[1]
    with torch.inference_mode():
        for buffer in static._buffers:
            buffer[:, :, stories()[0].length :] = float("nan")
    assert torch.equal(written(static, stories()[0])[1], first)


def test_where_nothing_can_be_recorded_the_same_operations_run_unrecorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(decoder: CudaGraphDecoder) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    expected = written(CudaGraphDecoder(checkpoint().model, tokens=64), stories()[0])[1]
    static = CudaGraphDecoder(checkpoint().model, tokens=64)
    monkeypatch.setattr(CudaGraphDecoder, "_record", fails)
    assert torch.equal(written(static, stories()[0])[1], expected)
    assert "without a CUDA graph" in caplog.text


def test_the_graph_decoder_agrees_with_the_eager_one_text_after_text() -> None:
    static = CudaGraphDecoder(checkpoint().model, tokens=64)
    for context in [*stories(), stories()[0]]:
        ids, logits = written(static, context)
        wanted, exact = written(EagerDecoder(checkpoint().model), context)
        assert ids == wanted and torch.allclose(logits, exact, atol=2e-5)


def test_buffers_stay_for_short_texts_and_are_given_back_after_long_ones() -> None:
    static = CudaGraphDecoder(checkpoint().model, tokens=16)
    written(static, stories()[1])
    assert static.capacity == 16
    buffers = static._buffers
    written(static, stories()[2], 5)
    assert static._buffers is buffers, "the same memory, so that a recording stays good"
    long = stories()[0]
    static.begin(long, 8)
    assert static.capacity % 16 == 0 and long.length + 8 <= static.capacity < long.length + 24
    static.end()
    assert static.capacity == 0 and static._buffers is None, "a picture needs that memory"


def test_buffers_that_could_not_be_had_are_made_anew() -> None:
    static = CudaGraphDecoder(checkpoint().model, tokens=16)
    with pytest.raises(RuntimeError):
        static.begin(Context(), 2**50)
    ids, _ = written(static, stories()[1])
    assert ids == written(EagerDecoder(checkpoint().model), stories()[1])[0]


def test_a_recording_that_failed_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    static, tried = CudaGraphDecoder(checkpoint().model, tokens=16), []

    def full(decoder: CudaGraphDecoder) -> None:
        tried.append(decoder)
        if len(tried) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(CudaGraphDecoder, "_record", full)
    with pytest.raises(torch.OutOfMemoryError):
        static.begin(Context(), 4)
    assert static._buffers is None, "a picture needs that memory"
    static.begin(Context(), 4)
    assert len(tried) == 2 and static.capacity == 16


def test_the_eager_decoder_frees_their_buffers() -> None:
    decoder = EagerDecoder(checkpoint().model)
    written(decoder, stories()[1])
    assert decoder._attend is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_recorded_graph_says_the_same() -> None:
    from engine.checkpoints.reader import load_checkpoint
    from engine.inference.context_cache import ContextCache

    model = load_checkpoint(CKPT, device="cuda").model
    context, _ = ContextCache(model, checkpoint().tokenizer.tokens).build([text("A red car")])
    decoder = make_decoder(model, static=True)
    assert isinstance(decoder, CudaGraphDecoder) and decoder._graph is not None
    assert written(decoder, context)[0] == written(EagerDecoder(model), context)[0]


def test_the_graph_decoder_is_what_one_gets_outside_inference_mode_too() -> None:
    decoder = make_decoder(checkpoint().model, static=True)
    assert isinstance(decoder, CudaGraphDecoder), "never silently the slower way"
    assert written(decoder, stories()[1])[0] == written(EagerDecoder(checkpoint().model), stories()[1])[0]


def test_without_memory_for_a_recording_text_is_decoded_eagerly(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CudaGraphDecoder.__init__, "__defaults__", (2**50,))
        assert isinstance(make_decoder(checkpoint().model, static=True), EagerDecoder)
    assert "without a CUDA graph" in caplog.text


def test_weights_stored_by_column_give_the_same_text() -> None:
    from engine.checkpoints.reader import load_checkpoint

    laid_out = load_checkpoint(CKPT)
    store_weights_by_column(laid_out.model.language_model)
    layer = laid_out.model.language_model.model.layers[0]
    assert layer.mlp.gate_proj.weight.stride()[0] == 1 and layer.mlp_moe_gen.gate_proj.weight.stride()[1] == 1
    for name, value in checkpoint().model.state_dict().items():
        assert torch.equal(laid_out.model.state_dict()[name], value)
    ids, logits = written(EagerDecoder(laid_out.model), stories()[0])
    wanted, exact = written(EagerDecoder(checkpoint().model), stories()[0])
    assert ids == wanted and torch.allclose(logits, exact, atol=2e-5)
