"""The planner: chooses how a checkpoint runs on this machine, by the memory that is free now.

It puts nothing on a disk, and no layer of a large model on the CPU, unless that was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.layer_placement import LayerPlacement
from engine.checkpoints.precision import PRECISIONS
from engine.checkpoints.quantise.convert import FORMATS
from engine.checkpoints.validated_folder import ValidatedFolder, validate_folder
from engine.placement.device_map import place_layers
from engine.placement.memory_estimate import (
    GIB,
    MemoryEstimate,
    estimate_memory,
    pictures_that_fit,
    working_memory,
)
from engine.placement.profiles import PROFILES, Profile
from engine.protocols.history import MAX_PICTURES

SMALL_MODEL = 4 * GIB
"""A model whose float32 weights take no more than this runs on the CPU unasked."""

MARGIN = 0.03
"""The share of the free memory that is left alone: an allocator's blocks never fit exactly."""

MAX_CONTEXT_BYTES = 8 * GIB
SPREAD_PICTURES = (6, 1)
"""For how many pictures the first of several GPUs keeps room; the second number if layers need that room."""

BF16_CAPABILITY, FP8_CAPABILITY = (8, 0), (8, 9)
"""The first CUDA compute capabilities that multiply bfloat16 (Ampere) and 8-bit floats (Ada)."""

SHARED = ("contexts kept", "drawing or coding a picture")
"""What contexts and the picture being drawn take; the more of one, the less of the other."""

NOT_WEIGHTS = (*SHARED, "room for a text")
"""Everything in an estimate that isn't weights."""


@dataclass(frozen=True)
class Gpu:
    """A GPU as it is now; ``free`` and ``total`` are bytes."""

    device: str
    name: str
    free: int
    total: int
    fp8: bool
    bf16: bool = True

    @property
    def usable(self) -> int:
        """Free bytes less a margin."""
        return int(self.free * (1 - MARGIN))


@dataclass(frozen=True)
class Placement:
    """What will run: the profile, where, and the memory it takes. ``gpus`` are all that share the layers.

    Of several GPUs the first keeps room for contexts of so many ``pictures``.
    """

    folder: ValidatedFolder
    profile: Profile
    device: str
    memory: MemoryEstimate
    gpus: tuple[Gpu, ...] = ()
    notes: tuple[str, ...] = ()
    pictures: int = 1
    layers: LayerPlacement | None = None

    @property
    def room_on_gpus(self) -> dict[str, int]:
        """Bytes for weights on each of several GPUs."""
        working = {use: size for use, size in self.memory.on_device.items() if use in NOT_WEIGHTS}
        first = self._room + sum(size for use, size in working.items() if use not in SHARED)
        aside = [first, *[max(working.values())] * (len(self.gpus) - 1)]
        return {gpu.device: max(0, gpu.usable - kept) for gpu, kept in zip(self.gpus, aside, strict=True)}

    @property
    def max_pictures(self) -> int:
        """How many pictures the model is shown at once: as many as the first GPU has room for.

        With several GPUs weights fill what isn't set aside, so no more than that counts.
        """
        if not self.gpus:
            return MAX_PICTURES
        room = self._room
        if len(self.gpus) < 2:
            room += self.gpus[0].usable - self.memory.bytes
        return max(1, pictures_that_fit(self.folder, self.profile, self.device, room, MAX_PICTURES))

    @property
    def _room(self) -> int:
        """Bytes for contexts and the picture being drawn: as estimated, or for ``pictures``."""
        estimated = sum(self.memory.on_device[use] for use in SHARED)
        if len(self.gpus) < 2:
            return estimated
        return max(estimated, working_memory(self.folder, self.profile, self.device, pictures=self.pictures))


def gpus_here() -> list[Gpu]:
    """The GPUs that torch can use, the one with most free memory first."""
    found = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(number)
        nvidia, capability = torch.version.cuda is not None, torch.cuda.get_device_capability(number)
        fp8, bf16 = nvidia and capability >= FP8_CAPABILITY, not nvidia or capability >= BF16_CAPABILITY
        found.append(Gpu(f"cuda:{number}", torch.cuda.get_device_name(number), free, total, fp8, bf16))
    return sorted(found, key=lambda gpu: -gpu.free)


def choose_placement(
    folder: Path | str, *, profile: str | None, precision: str | None, gpus: Sequence[Gpu] | None = None
) -> Placement:
    """Decides how the checkpoint in ``folder`` runs; ``profile`` and ``precision`` override the choice.

    ``gpus`` are those of this machine unless given. Raises ``CheckpointError`` saying why it can't run, and
    what to do.
    """
    validated = validate_folder(folder)
    gpus = gpus_here() if gpus is None else list(gpus)
    if profile and profile not in PROFILES:
        raise CheckpointError(f"There is no profile {profile!r}; there are {', '.join(PROFILES)}.")
    if precision and precision not in PRECISIONS:
        raise CheckpointError(f"Precision {precision!r} is unknown; choose one of {', '.join(PRECISIONS)}.")
    if profile == "cpu" or (not gpus and not profile):
        return _on_cpu(validated, precision, asked=profile == "cpu")
    if not gpus:
        raise CheckpointError(
            f"The profile {profile} is for a GPU, and torch finds none here. Install a torch for your GPU, "
            "or give --profile cpu."
        )
    if profile:
        return _with_profile(validated, _with_precision(PROFILES[profile], precision), gpus)
    return _best(validated, precision, gpus)


def _with_precision(profile: Profile, precision: str | None) -> Profile:
    return replace(profile, precision=precision) if precision else profile


def _on_cpu(folder: ValidatedFolder, precision: str | None, *, asked: bool) -> Placement:
    profile = _with_precision(PROFILES["cpu"], precision)
    memory = estimate_memory(folder, profile, "cpu")
    weights = sum(size for use, size in memory.on_device.items() if use not in NOT_WEIGHTS)
    if not asked and weights > SMALL_MODEL:
        raise CheckpointError(
            f"torch finds no GPU here, and on the CPU this model takes {weights / GIB:.0f} GiB of memory and "
            "many minutes a picture. Give --profile cpu if that is what you want."
        )
    free = free_memory()
    if free is not None and memory.bytes > free:
        raise CheckpointError(
            f"This model takes {memory.bytes / GIB:.1f} GiB on the CPU and {free / GIB:.1f} are free. "
            "Close other programs, or give a smaller precision."
        )
    return Placement(folder, profile, "cpu", memory)


def _with_profile(folder: ValidatedFolder, profile: Profile, gpus: Sequence[Gpu]) -> Placement:
    """A profile that was asked for by name; refused only when it can't run."""
    first = gpus[0]
    _check_gpu_supports(profile, first)
    memory = estimate_memory(folder, profile, first.device)
    if memory.bytes <= first.usable:
        profile = _give_spare_memory_to_contexts(profile, memory, first)
        return Placement(folder, profile, first.device, memory, (first,))
    if len(gpus) > 1:
        with suppress(CheckpointError):  # the first GPU alone may do
            return _over_all(folder, profile, memory, gpus)
    if memory.bytes - memory.on_device["contexts kept"] > first.free:
        raise CheckpointError(_too_large(profile, memory, gpus))
    note = f"Memory is tight: {memory.bytes / GIB:.1f} GiB expected, {first.free / GIB:.1f} free."
    return Placement(folder, profile, first.device, memory, (first,), (note,))


def _best(folder: ValidatedFolder, precision: str | None, gpus: Sequence[Gpu]) -> Placement:
    """The first profile that fits on one GPU; several GPUs split the layers before any is quantised."""
    first = gpus[0]
    profiles = [_with_precision(profile, precision) for profile in PROFILES.values() if profile.name != "cpu"]
    _check_gpu_supports(profiles[0], first)
    for profile in profiles:
        if profile.precision == "fp8" and not first.fp8 and not precision:
            continue
        memory = estimate_memory(folder, profile, first.device)
        if memory.bytes <= first.usable:
            profile = _give_spare_memory_to_contexts(profile, memory, first)
            return Placement(folder, profile, first.device, memory, (first,))
        if len(gpus) > 1 and profile.precision not in FORMATS:
            with suppress(CheckpointError):
                return _over_all(folder, profile, memory, gpus)
    raise CheckpointError(_too_large(profile, memory, gpus))


def _over_all(
    folder: ValidatedFolder, profile: Profile, memory: MemoryEstimate, gpus: Sequence[Gpu]
) -> Placement:
    """The layers over all GPUs, as loading will place them. Raises ``CheckpointError`` without room."""
    for gpu in gpus:
        _check_gpu_supports(profile, gpu)
    refused = None
    for pictures in SPREAD_PICTURES:
        spread = Placement(folder, profile, gpus[0].device, memory, tuple(gpus), pictures=pictures)
        try:
            layers = place_layers(
                folder,
                profile.precision,
                spread.room_on_gpus,
                head=profile.head,
                embeddings_on_host=profile.embeddings_on_host,
                tile=profile.tile,
            )
            return replace(spread, layers=layers)
        except CheckpointError as error:
            refused = error
    raise CheckpointError(_too_large(profile, memory, gpus)) from refused


def _check_gpu_supports(profile: Profile, gpu: Gpu) -> None:
    if not gpu.bf16:
        raise CheckpointError(
            f"This GPU lacks bfloat16 ({gpu.name} is older than Ampere), and without it attention would need "
            "many times its memory. Use another GPU, or --profile cpu."
        )
    if profile.precision == "fp8" and not gpu.fp8:
        raise CheckpointError(
            f"This GPU lacks 8-bit floats ({gpu.name} is older than Ada). Choose --profile 16gb, or "
            "--precision nf4."
        )


def _give_spare_memory_to_contexts(profile: Profile, memory: MemoryEstimate, gpu: Gpu) -> Profile:
    """Gives contexts half of what is left over."""
    spare = (gpu.usable - memory.bytes) // 2
    return replace(profile, context_bytes=max(profile.context_bytes, min(MAX_CONTEXT_BYTES, spare)))


def _too_large(profile: Profile, memory: MemoryEstimate, gpus: Sequence[Gpu]) -> str:
    free = " + ".join(f"{gpu.free / GIB:.1f}" for gpu in gpus)
    names = ", ".join(gpu.name for gpu in gpus)
    return (
        f"This model does not fit: profile {profile.name} takes {memory.bytes / GIB:.1f} GiB, and {names} "
        f"has {free} GiB free. Close what else uses the GPU, or choose a smaller profile. Restroke puts "
        "nothing on a disk or the CPU unless you ask for it."
    )


def free_memory() -> int | None:
    """Bytes of the computer's own memory that are available; None where that can't be read."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None
