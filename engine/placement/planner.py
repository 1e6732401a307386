"""Chooses how a checkpoint runs on this machine, from the memory that is really free, and says so.

Nothing is put on a disk, and no layer of a large model on the processor, unless somebody asked for it.
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
from engine.placement.memory_estimate import GIB, Need, need, pictures_that_fit, room_for
from engine.placement.profiles import PROFILES, Profile
from engine.protocols.history import MAX_PICTURES

SMALL = 4 * GIB
"""A model whose float32 weights take no more than this runs on the processor unasked."""

MARGIN = 0.03
"""The share of the free memory that is left alone: blocks of an allocator never fit exactly."""

MOST_CONTEXT = 8 * GIB
SPREAD_PICTURES = (6, 1)
"""For how many pictures the first of several cards keeps room; the second number where layers need it."""

OWN_BF16, OWN_FP8 = (8, 0), (8, 9)
"""The first compute capabilities whose cards multiply bfloat16, and 8-bit floats."""


@dataclass(frozen=True)
class Gpu:
    """A graphics card as it is now; bytes."""

    device: str
    name: str
    free: int
    total: int
    fp8: bool
    bf16: bool = True


@dataclass(frozen=True)
class Placement:
    """What will run: the profile, where, and what it takes. ``cards`` are all that share the layers.

    Of several the first keeps room for contexts of so many ``pictures``.
    """

    opened: ValidatedFolder
    profile: Profile
    device: str
    need: Need
    cards: tuple[Gpu, ...] = ()
    notes: tuple[str, ...] = ()
    pictures: int = 1
    layers: LayerPlacement | None = None

    @property
    def room_on_gpus(self) -> dict[str, int]:
        """Bytes for weights on each of several cards."""
        working = {use: size for use, size in self.need.card.items() if use in WORKING}
        first = self._room + sum(size for use, size in working.items() if use not in SHARED)
        aside = [first, *[max(working.values())] * (len(self.cards) - 1)]
        return {
            card.device: max(0, int(card.free * (1 - MARGIN)) - kept)
            for card, kept in zip(self.cards, aside, strict=True)
        }

    @property
    def max_pictures(self) -> int:
        """How many pictures the model is shown at once: no more than the first card has room for.

        Over several cards weights fill what is not set aside, so no more than that is counted on.
        """
        if not self.cards:
            return MAX_PICTURES
        room = self._room
        if len(self.cards) < 2:
            room += int(self.cards[0].free * (1 - MARGIN)) - self.need.bytes
        return max(1, pictures_that_fit(self.opened, self.profile, self.device, room, MAX_PICTURES))

    @property
    def _room(self) -> int:
        """Bytes for contexts and the picture being drawn: as counted, of several cards as wished for."""
        counted = sum(self.need.card[use] for use in SHARED)
        if len(self.cards) < 2:
            return counted
        return max(counted, room_for(self.opened, self.profile, self.device, pictures=self.pictures))


SHARED = ("contexts kept", "drawing or coding a picture")
"""What contexts and the picture being drawn take, the more of one the less of the others."""

WORKING = (*SHARED, "room for a text")


def gpus_here() -> list[Gpu]:
    """The graphics cards that torch can use, the one with most free memory first."""
    found = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(number)
        own, capability = torch.version.cuda is not None, torch.cuda.get_device_capability(number)
        fp8, bf16 = own and capability >= OWN_FP8, not own or capability >= OWN_BF16
        found.append(Gpu(f"cuda:{number}", torch.cuda.get_device_name(number), free, total, fp8, bf16))
    return sorted(found, key=lambda card: -card.free)


def choose_placement(
    folder: Path | str, *, profile: str | None, precision: str | None, cards: Sequence[Gpu] | None = None
) -> Placement:
    """Decides how the checkpoint in ``folder`` runs; ``profile`` and ``precision`` override the choice.

    Raises ``CheckpointError`` saying why it cannot run, and what could.
    """
    opened = validate_folder(folder)
    cards = gpus_here() if cards is None else list(cards)
    if profile and profile not in PROFILES:
        raise CheckpointError(f"There is no profile {profile!r}; there are {', '.join(PROFILES)}.")
    if precision and precision not in PRECISIONS:
        raise CheckpointError(f"Precision {precision!r} is unknown; choose one of {', '.join(PRECISIONS)}.")
    if profile == "cpu" or (not cards and not profile):
        return _on_processor(opened, precision, asked=profile == "cpu")
    if not cards:
        raise CheckpointError(
            f"The profile {profile} is for a graphics card, and torch finds none here. Install a torch for "
            "your card, or give --profile cpu."
        )
    if profile:
        return _wished(opened, _with(PROFILES[profile], precision), cards)
    return _best(opened, precision, cards)


def _with(profile: Profile, precision: str | None) -> Profile:
    return replace(profile, precision=precision) if precision else profile


def _on_processor(opened: ValidatedFolder, precision: str | None, *, asked: bool) -> Placement:
    profile = _with(PROFILES["cpu"], precision)
    found = need(opened, profile, "cpu")
    whole = sum(size for use, size in found.card.items() if use not in WORKING)
    if not asked and whole > SMALL:
        raise CheckpointError(
            f"torch finds no graphics card here, and this model takes {whole / GIB:.0f} GiB of memory and "
            "many minutes a picture on the processor. Give --profile cpu if that is what you want."
        )
    free = free_memory()
    if free is not None and found.bytes > free:
        raise CheckpointError(
            f"This model takes {found.bytes / GIB:.1f} GiB on the processor and {free / GIB:.1f} are free. "
            "Close other programs, or give a smaller precision."
        )
    return Placement(opened, profile, "cpu", found)


def _wished(opened: ValidatedFolder, profile: Profile, cards: Sequence[Gpu]) -> Placement:
    """A profile asked for by name; refused only when it cannot run."""
    _check_gpu_supports(profile, cards[0])
    found = need(opened, profile, cards[0].device)
    if found.bytes <= cards[0].free * (1 - MARGIN):
        return Placement(
            opened,
            _give_spare_memory_to_contexts(profile, found, cards[0]),
            cards[0].device,
            found,
            (cards[0],),
        )
    if len(cards) > 1:
        with suppress(CheckpointError):  # perhaps the first card alone can
            return _over_all(opened, profile, found, cards)
    if found.bytes - found.card["contexts kept"] > cards[0].free:
        raise CheckpointError(_too_large(profile, found, cards))
    note = f"It is tight: {found.bytes / GIB:.1f} GiB expected, {cards[0].free / GIB:.1f} free."
    return Placement(opened, profile, cards[0].device, found, (cards[0],), (note,))


def _best(opened: ValidatedFolder, precision: str | None, cards: Sequence[Gpu]) -> Placement:
    """The first profile that fits on one card; with several cards, sooner split than quantised."""
    first = cards[0]
    on_cards = [_with(profile, precision) for profile in PROFILES.values() if profile.name != "cpu"]
    _check_gpu_supports(on_cards[0], first)
    found = None
    for profile in on_cards:
        if profile.precision == "fp8" and not first.fp8 and not precision:
            continue
        found = need(opened, profile, first.device)
        if found.bytes <= first.free * (1 - MARGIN):
            return Placement(
                opened, _give_spare_memory_to_contexts(profile, found, first), first.device, found, (first,)
            )
        if len(cards) > 1 and profile.precision not in FORMATS:
            try:
                return _over_all(opened, profile, found, cards)
            except CheckpointError:
                continue
    raise CheckpointError(_too_large(profile, found, cards))


def _over_all(opened: ValidatedFolder, profile: Profile, found: Need, cards: Sequence[Gpu]) -> Placement:
    """The layers over all cards, if each finds one that takes it whole; asked of what loading will do."""
    for card in cards:
        _check_gpu_supports(profile, card)
    refused = None
    for pictures in SPREAD_PICTURES:
        spread = Placement(opened, profile, cards[0].device, found, tuple(cards), pictures=pictures)
        try:
            layers = place_layers(
                opened,
                profile.precision,
                spread.room_on_gpus,
                head=profile.head,
                embeddings_on_host=profile.embeddings_on_host,
                tile=profile.tile,
            )
            return replace(spread, layers=layers)
        except CheckpointError as error:
            refused = error
    raise CheckpointError(_too_large(profile, found, cards)) from refused


def _check_gpu_supports(profile: Profile, card: Gpu) -> None:
    if not card.bf16:
        raise CheckpointError(
            f"{card.name} cannot multiply bfloat16 numbers (that takes Ampere's generation or newer), and "
            "without them attention would need many times its memory. Use another card, or --profile cpu."
        )
    if profile.precision == "fp8" and not card.fp8:
        raise CheckpointError(
            f"{card.name} cannot multiply 8-bit floats (that takes Ada's generation or newer). "
            "Choose the profile 16gb, or --precision nf4."
        )


def _give_spare_memory_to_contexts(profile: Profile, found: Need, card: Gpu) -> Profile:
    """Gives half of what is left over to contexts."""
    more = int(card.free * (1 - MARGIN) - found.bytes) // 2
    return replace(profile, context_bytes=max(profile.context_bytes, min(MOST_CONTEXT, more)))


def _too_large(profile: Profile, found: Need, cards: Sequence[Gpu]) -> str:
    free = " + ".join(f"{card.free / GIB:.1f}" for card in cards)
    names = ", ".join(card.name for card in cards)
    return (
        f"This model does not fit: profile {profile.name} takes {found.bytes / GIB:.1f} GiB, and {names} "
        f"has {free} GiB free. Close what else uses the card, or choose a smaller profile; nothing is put "
        "on a disk or the processor unasked."
    )


def free_memory() -> int | None:
    """Bytes of the computer's own memory that can be had; None where that cannot be read."""
    try:
        words = Path("/proc/meminfo").read_text(encoding="ascii")
        line = next(line for line in words.splitlines() if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None
