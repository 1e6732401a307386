"""Which layers are not quantised, with the reason for each."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

HEAD = "language_model.lm_head"


@dataclass(frozen=True)
class NotQuantised:
    """The module ``module`` and all inside it are not quantised, for a ``reason``."""

    module: str
    reason: str

    def covers(self, name: str) -> bool:
        return name == self.module or name.startswith(self.module + ".")


NOT_QUANTISED = (
    NotQuantised("vae2llm", "every latent comes in here: 0.2 M weights, and their noise is in the picture"),
    NotQuantised("llm2vae", "the velocity itself: its error is added up over all updates of a picture"),
    NotQuantised("time_embedder", "added to every latent token: an error here shifts the whole schedule"),
    NotQuantised("connector", "all that the model sees goes through its 17 M weights"),
    NotQuantised(
        "vit_model", "0.4 of 14.6 billion weights: little to save, and Inspect reads pictures through it"
    ),
    NotQuantised(
        "language_model.model.embed_tokens", "looked up, never multiplied; it can lie on the host instead"
    ),
)
"""Beside these: norms, biases and position tables, which are vectors and tables and no products, and the
autoencoder, whose convolutions make the pixels. The head (:data:`HEAD`) is quantised if a profile asks."""


def quantised_names(model: nn.Module, *, head: bool) -> list[str]:
    """The linear layers to quantise: all but those of :data:`NOT_QUANTISED`, the head only if ``head``."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and not any(skipped.covers(name) for skipped in NOT_QUANTISED)
        and (head or name != HEAD)
    ]
