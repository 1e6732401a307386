"""The components of the model in words, for tables of weights and of memory."""

from __future__ import annotations


def component_of(name: str) -> str:
    """The component that a parameter or buffer of the model belongs to."""
    if name.startswith("vit_model"):
        return "vision encoder"
    if ".layers." in name or ".norm" in name:
        return "drawing expert" if "_moe_gen" in name else "understanding expert"
    if "embed_tokens" in name or "lm_head" in name:
        return "token embeddings and LM head"
    return "connector, latents and time"
