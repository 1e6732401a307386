"""Packing and the packed forward: who sees whom, and agreement with reading segment by segment."""

from __future__ import annotations

import pytest
import torch

from engine.checkpoints.tokenizer import SpecialTokens
from engine.inference.prefill import Context, TextTokens, VaeImage, VitImage, prefill
from engine.lab.training.losses import training_losses
from engine.lab.training.packing import Dropout, NoisedSplit, Packer, TextSplit, VaeSplit, VitSplit
from engine.model.attention import attend_as_rows, attend_heads
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig
from tests.tiny import checkpoint

TOKENS = SpecialTokens(1, 2, 3, 4, 5)
SMALL = BagelConfig(
    LanguageConfig(32, 2, 4, 2, 48, 64),
    VisionConfig(24, 2, 3, 32, patch_size=4, positions=16),
    latent_channels=4,
    latent_side=4,
    vit_side=4,
)


def packer(**options: object) -> Packer:
    generator = torch.Generator().manual_seed(3)
    return Packer(SMALL, TOKENS, generator=generator, **options)


def latent(seed: int = 0) -> torch.Tensor:
    return torch.randn(4, 4, 6, generator=torch.Generator().manual_seed(seed))


def test_packed_states_equal_reading_segment_by_segment() -> None:
    model, tokens = checkpoint().model, checkpoint().tokenizer.tokens
    ids = checkpoint().tokenizer.encode("A red car")
    clean = torch.randn(16, 4, 6)
    pixels = torch.rand(3, 28, 42) * 2 - 1
    sample = [TextSplit(ids), VaeSplit(clean), VitSplit(pixels), TextSplit(ids[::-1])]
    batch = Packer(model.config, tokens).pack([[TextSplit(ids)], sample])
    with torch.no_grad():
        hidden = model(batch)[batch.sample_lengths[0] :]
    context, at = Context(), 0
    items = [TextTokens(tuple(ids)), VaeImage("c", lambda: clean), VitImage("s", lambda: pixels)]
    for item in [*items, TextTokens(tuple(ids[::-1]))]:
        segment = prefill(model, tokens, context, item)
        context = Context((*context.segments, segment))
        at += segment.length
        assert torch.allclose(hidden[at - 1], segment.last_hidden, atol=1e-5)
    assert at == batch.sample_lengths[1]


def test_nobody_sees_a_noised_image_and_samples_are_apart() -> None:
    model = Bagel.random(SMALL, 0)
    with torch.no_grad():
        model.llm2vae.weight.normal_()

    def hidden(seed: int, other: list[int]) -> torch.Tensor:
        target = NoisedSplit(latent(seed), draw=0.3, noise=torch.zeros(6, 16))
        batch = packer().pack([[TextSplit(other)], [TextSplit([7, 8]), target, TextSplit([9, 10])]])
        with torch.no_grad():
            return model(batch)[batch.sample_lengths[0] :]

    one, two = hidden(0, [11]), hidden(1, [12])
    assert torch.allclose(one[:4], two[:4]) and torch.allclose(one[-4:], two[-4:])
    assert not torch.allclose(one[4:12], two[4:12])


def test_a_batch_of_unequal_samples_has_the_gradients_of_its_samples() -> None:
    samples = [
        [TextSplit([7, 8, 9], loss=True)],
        [TextSplit([10] * 9, loss=True), VitSplit(torch.randn(3, 8, 12))],
    ]
    norms = []
    for groups in ([samples], [[s] for s in samples]):
        model = Bagel.random(SMALL, 0)
        for group in groups:
            training_losses(model, packer().pack(group)).ce.sum().backward()
        norms.append({k: p.grad for k, p in model.named_parameters() if p.grad is not None})
    together, apart = norms
    for name, grad in apart.items():
        assert torch.allclose(grad, together[name], atol=1e-5), name


def test_positions_and_labels() -> None:
    tokens = TOKENS
    sample = [
        TextSplit([7, 8], next_token=tokens.start_of_image),
        NoisedSplit(latent(), end_loss=True),
        VaeSplit(latent()),
        VitSplit(torch.zeros(3, 8, 12), next_token=tokens.bos),
        TextSplit([9], loss=True, next_token=tokens.end_of_text),
    ]
    batch = packer().pack([sample])
    assert batch.position_ids.tolist() == [0, 1, 2, 3] + [4] * 8 + [4] * 8 + [5] * 8 + [6, 7, 8]
    labels = dict(zip(batch.ce_index.tolist(), batch.ce_labels.tolist(), strict=True))
    assert labels == {3: 3, 10: 4, 27: 1, 28: 9, 29: 2, 30: 5}
    assert batch.mse_index.tolist() == list(range(5, 11))
    clean = batch.timesteps[batch.latent_index > 11]
    assert (clean == 0).all() and len(clean) == 6


def test_dropout_takes_a_text_without_a_position_and_an_image_with_one() -> None:
    sample = [
        TextSplit([7], droppable=True),
        VaeSplit(latent(), droppable=True),
        VitSplit(torch.zeros(3, 8, 12), droppable=True),
        NoisedSplit(latent()),
    ]
    batch = packer(dropout=Dropout(1.0, 1.0, 1.0)).pack([sample])
    assert batch.sample_lengths == [8] and set(batch.position_ids.tolist()) == {2}
    with pytest.raises(ValueError, match="no tokens left"):
        packer(dropout=Dropout(1.0, 1.0, 1.0)).pack([sample[:1]])


def test_one_seed_packs_and_initialises_the_same() -> None:
    one, two = (packer().pack([[TextSplit([7]), NoisedSplit(latent())]]) for _ in range(2))
    assert torch.equal(one.noised, two.noised) and torch.equal(one.timesteps, two.timesteps)
    states = [Bagel.random(SMALL, seed).state_dict() for seed in (5, 5, 6)]
    name = "language_model.model.layers.0.mlp_moe_gen.up_proj.weight"
    assert torch.equal(states[0][name], states[1][name]) and not torch.equal(states[0][name], states[2][name])


def test_timestep_shift_moves_times_towards_noise() -> None:
    def time(shift: float) -> float:
        batch = packer(timestep_shift=shift).pack([[TextSplit([7]), NoisedSplit(latent(), draw=0.0)]])
        return batch.timesteps[0].item()

    assert time(1.0) == pytest.approx(0.5) and time(4.0) == pytest.approx(0.8)


def test_it_trains_under_bf16_autocast() -> None:
    model = Bagel.random(SMALL, 0)
    batch = packer().pack([[TextSplit([7, 8], loss=True), NoisedSplit(latent())]])
    with torch.autocast("cpu", torch.bfloat16):
        losses = training_losses(model, batch)
    (losses.ce_mean + losses.mse_mean).backward()
    assert losses.hidden.dtype == torch.float32
    exact = training_losses(model, batch)
    assert losses.ce_mean.item() == pytest.approx(exact.ce_mean.item(), rel=0.05)


@pytest.mark.parametrize("mask", [(5, 9), (2, 1, 5, 9)])
def test_grouped_heads_as_rows_attend_the_same(mask: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    draw = lambda *size: torch.randn(*size, generator=generator)  # noqa: E731
    q, k, v = draw(2, 6, 5, 8), draw(2, 2, 9, 8), draw(2, 2, 9, 8)
    seen = (draw(*mask) > 0).index_fill(-1, torch.tensor([0]), True)
    assert torch.allclose(attend_as_rows(q, k, v, seen), attend_heads(q, k, v, seen), atol=1e-6)
