"""Profiles: ways to run a model, by the GPU memory they are meant for.

How much memory a profile takes is counted in :mod:`engine.placement.memory_estimate`; which one is chosen,
by the memory that is really free, is decided in :mod:`engine.placement.planner`.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Profile:
    """Everything that depends on how much memory there is.

    Args:
        head: the LM head is quantised too.
        embeddings_on_host: the token embeddings stay in host memory.
        tile: pixels a side of the autoencoder's tiles; None takes a picture whole.
        sequential_guidance: the contexts of guidance run one after the other, not all in one pass.
        context_bytes: what contexts may keep on the GPU.
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
        Profile("48gb", "nothing quantised", "bf16", context_bytes=4096 * MIB),
        Profile(
            "24gb",
            "8-bit floats, sequential guidance",
            "fp8",
            sequential_guidance=True,
            context_bytes=1536 * MIB,
        ),
        Profile(
            "16gb", "4-bit, sequential guidance", "nf4", sequential_guidance=True, context_bytes=1024 * MIB
        ),
        Profile(
            "12gb",
            "4-bit with the LM head, token embeddings on the host, tiled pictures, sequential guidance",
            "nf4",
            head=True,
            embeddings_on_host=True,
            tile=512,
            sequential_guidance=True,
        ),
        Profile("cpu", "on the CPU, nothing quantised", "float32"),
    )
}
"""From the best to the smallest. ``cpu`` is never chosen for a large model unless it is asked for."""
