"""The quantised layers: their products against the whole weight's, odd shapes, saving, what stays whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.checkpoints.quantise.base import ROWS, QuantisedLinear
from engine.checkpoints.quantise.convert import FORMATS, convert, layer_of
from engine.checkpoints.quantise.skipped import HEAD, NOT_QUANTISED, quantised_names
from engine.model.bagel import Bagel
from tests.tiny import checkpoint

SHAPES = [(64, 128), (33, 50), (200, 130), (512, 320)]
CLOSE = {"nf4": 0.11, "fp8": 0.05, "int8": 0.015}
"""Relative error of one product with normal weights, well above what was measured (9.6, 4.6, 1.1 %)."""


def filled(precision: str, weight: Tensor, bias: Tensor | None = None) -> QuantisedLinear:
    layer = layer_of(precision)(weight.shape[1], weight.shape[0], bias is not None)
    layer.allocate("cpu", torch.float32)
    for first in range(0, len(weight), ROWS):
        layer.take(first, weight[first : first + ROWS])
    layer.finish()
    if bias is not None:
        layer.bias.copy_(bias)
    return layer


def weights(shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Weight [out, in], bias [out] and rows [2, 3, in]."""
    generator = torch.Generator().manual_seed(shape[0])
    draw = lambda *size: torch.randn(*size, generator=generator)  # noqa: E731
    return draw(*reversed(shape)) * 0.02, draw(shape[1]), draw(2, 3, shape[0])


def error(got: Tensor, want: Tensor) -> float:
    return ((got - want).norm() / want.norm()).item()


@pytest.mark.parametrize("precision", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_product_is_close_to_the_whole_weight_s(precision: str, shape: tuple[int, int]) -> None:
    weight, bias, x = weights(shape)
    layer = filled(precision, weight, bias)
    assert error(layer(x) - bias, F.linear(x, weight)) < CLOSE[precision]
    assert layer(x).shape == (2, 3, shape[1])
    assert error(layer.dense(), weight) < CLOSE[precision]
    assert layer(x[:, :0]).shape == (2, 0, shape[1])


def test_nf4_by_pieces_is_bitsandbytes_own_nf4_at_once() -> None:
    for shape in SHAPES:
        weight, _, _ = weights(shape)
        layer = filled("nf4", weight)
        packed, state = quantize_4bit(weight, compress_statistics=True, quant_type="nf4")
        assert torch.equal(layer.weight, packed)
        assert torch.equal(layer.scale, state.absmax)
        assert torch.equal(layer.scale_scale, state.state2.absmax)
        if shape[0] % 2 == 0:  # for odd rows bitsandbytes starts a compiler on processors
            assert torch.equal(layer.dense(), dequantize_4bit(packed, state))


@pytest.mark.parametrize("precision", FORMATS)
def test_rows_of_zeros_and_huge_rows_stay_finite(precision: str) -> None:
    weight, _, x = weights((64, 96))
    weight[0], x[0, 0], x[0, 1] = 0, 0, x[0, 1] * 1e6
    got = filled(precision, weight)(x)
    assert torch.isfinite(got).all()
    assert got[0, 0].abs().max() == 0 and got[..., 0].abs().max() == 0
    assert error(got[0, 1], F.linear(x[0, 1], weight)) < 1.5 * CLOSE[precision]


@pytest.mark.parametrize("precision", FORMATS)
def test_a_forward_pass_changes_nothing_that_is_saved(precision: str, tmp_path: Path) -> None:
    weight, bias, x = weights((200, 130))
    layer = filled(precision, weight, bias)
    save_file(layer.state_dict(), tmp_path / "before.safetensors")
    want = layer(x)
    save_file(layer.state_dict(), tmp_path / "after.safetensors")
    assert (tmp_path / "before.safetensors").read_bytes() == (tmp_path / "after.safetensors").read_bytes()
    again = layer_of(precision)(200, 130, True)
    again.allocate("cpu", torch.float32)
    again.load_state_dict(load_file(tmp_path / "after.safetensors"))
    assert torch.equal(again(x), want)


@pytest.mark.parametrize(("precision", "most"), [("nf4", 0.53), ("fp8", 1.02), ("int8", 1.02)])
def test_bytes_a_weight(precision: str, most: float) -> None:
    layer = filled(precision, torch.randn(320, 512))
    assert sum(value.nbytes for value in layer.state_dict().values()) / layer.dense().numel() < most


def test_every_linear_layer_is_quantised_or_skipped_for_a_reason() -> None:
    with torch.device("meta"):
        model = Bagel(checkpoint().model.config)
    linear = {name for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    quantised = set(quantised_names(model, head=True))
    whole = linear - quantised
    assert all(any(skipped.covers(name) for skipped in NOT_QUANTISED) for name in whole)
    assert all(kept.reason for kept in NOT_QUANTISED)
    names = {name for name, _ in model.named_modules()}
    assert all(skipped.module in names for skipped in NOT_QUANTISED), "a module that is not in the model"
    assert all(name.startswith("language_model.model.layers.") for name in quantised - {HEAD})
    assert len(quantised) == 3 * 2 * 7 + 1  # layers, experts, products of a layer; and the head
    assert quantised - set(quantised_names(model, head=False)) == {HEAD}


@pytest.mark.parametrize("precision", FORMATS)
def test_converting_leaves_nothing_of_the_old_layers(precision: str) -> None:
    with torch.device("meta"):
        model = Bagel(checkpoint().model.config)
    convert(model, precision, head=False)
    kinds = [type(model.get_submodule(name)) for name in quantised_names(Bagel(model.config), head=False)]
    assert set(kinds) == {layer_of(precision)}
    assert isinstance(model.language_model.lm_head, nn.Linear)


@pytest.mark.parametrize("size", [1e-3, 1.0, 7e4])
def test_no_row_of_8_bit_floats_overflows_or_goes_unused(size: float) -> None:
    from engine.checkpoints.quantise.fp8 import LARGEST, quantised_rows

    rows = torch.randn(64, 32, generator=torch.Generator().manual_seed(1)).mul(size).bfloat16()
    values, scale = quantised_rows(rows)
    assert values.is_contiguous() and values.float().isfinite().all() and scale.dtype == torch.float32
    assert (values.float().abs().amax(1) == LARGEST).all()
    assert torch.allclose(values.float() * scale, rows.float(), rtol=0.07, atol=size * 1e-2)
