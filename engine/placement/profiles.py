"""How a model is fitted to a card: the profiles, by the size of the card they are meant for.

A profile is a wish; what it takes is counted in ``engine.placement.memory_estimate``, and the choice by the
memory that is really free is made in ``engine.placement.planner``.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Profile:
    """Everything that is decided by the memory at hand.

    Args:
        head: the word head is quantised too.
        embeddings_on_host: the word table stays in the computer's own memory.
        tile: pixels a side of the autoencoder's tiles; None takes a picture whole.
        sequential_guidance: guidance branches run one after the other rather than all at once.
        context_bytes: what contexts may keep on the card.
    """

    name: str
    sentence: str
    precision: str
    head: bool = False
    embeddings_on_host: bool = False
    tile: int | None = None
    sequential_guidance: bool = False
    context_bytes: int = 512 * MIB


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("48gb", "nothing quantised, guidance branches at once", "bf16", context_bytes=4096 * MIB),
        Profile("24gb", "8-bit floats, branches in turn", "fp8", sequential_guidance=True, context_bytes=1536 * MIB),
        Profile("16gb", "4-bit, branches in turn", "nf4", sequential_guidance=True, context_bytes=1024 * MIB),
        Profile(
            "12gb",
            "4-bit with the word head, word table on the host, tiled pictures, branches in turn",
            "nf4",
            head=True,
            embeddings_on_host=True,
            tile=512,
            sequential_guidance=True,
        ),
        Profile("cpu", "on the processor, nothing quantised", "float32"),
    )
}
"""From the best to the smallest. ``cpu`` is never chosen for a large model unless it is asked for."""
