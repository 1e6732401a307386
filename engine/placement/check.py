"""``restroke check``: whether a checkpoint can run here, how, what it takes, and how long a picture takes.

Nothing is loaded; a stand-in of two layers with the real widths is timed. Exit code 1, with the reason,
when it can't run.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.assets import default_checkpoint
from engine.placement.profiles import PROFILES

if TYPE_CHECKING:
    from engine.placement.planner import Placement


def add_to(commands: Any) -> None:
    """Adds ``check`` and ``quantise`` with their options to the engine's commands."""
    parser = commands.add_parser(
        "check",
        help="say whether and how a checkpoint runs on this machine",
        description=__doc__.replace("``", ""),
    )
    add_placement_options(parser)
    parser.set_defaults(call=check)
    parser = commands.add_parser(
        "quantise",
        help="save a quantised copy beside a checkpoint's weights",
        description="Loads a checkpoint in its quantised form and saves that beside the weights, so that it "
        "loads without quantising from then on.",
    )
    add_placement_options(parser)
    parser.set_defaults(call=quantise)


def add_placement_options(parser: argparse.ArgumentParser) -> None:
    """``--checkpoint``, ``--profile`` and ``--precision``, as every command spells them."""
    parser.add_argument(
        "--checkpoint", metavar="DIR", type=Path, help="a model folder (default: the one that ships)"
    )
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        help="how to fit the GPU (default: the best that fits; see restroke check)",
    )
    parser.add_argument(
        "--precision",
        metavar="NAME",
        help="float32, bf16, fp8, nf4 or int8 (slow), in place of the profile's own",
    )


def check(arguments: argparse.Namespace) -> int:
    """Prints the report. Returns the exit code."""
    from engine.checkpoints.errors import CheckpointError  # torch takes seconds
    from engine.placement.planner import choose_placement

    try:
        folder = arguments.checkpoint or default_checkpoint()
        found = choose_placement(folder, profile=arguments.profile, precision=arguments.precision)
        print(report(found))
        print(_speed(found))
    except (CheckpointError, FileNotFoundError) as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # a driver or a foreign folder may fail in any way
        print(f"check: it can't run here ({type(error).__name__}: {error})", file=sys.stderr)
        return 1
    return 0


def report(found: Placement) -> str:
    """Validity, card, choice and memory by part, as lines."""
    from engine.checkpoints.quantise.convert import FORMATS, SLOW
    from engine.checkpoints.quantised_cache import find_cache
    from engine.placement.memory_estimate import GIB

    opened, profile, notes = found.opened, found.profile, list(found.notes)
    weights, head = opened.weights, profile.head and opened.head_fits  # as load and quantise take it
    files = weights.name if len(weights.paths) == 1 else f"{len(weights.paths)} shards"
    lines = [
        f"folder     {opened.folder}: whole; {len(weights.stored)} tensors in {files}, "
        f"{weights.bytes / GIB:.2f} GiB",
        f"tokenizer  {opened.tokenizer.size} tokens",
    ]
    lines += [
        f"card       {card.name} ({card.device}): {card.free / GIB:.1f} of {card.total / GIB:.1f} GiB free"
        for card in found.cards
    ] or ["card       none; it runs on the processor"]
    lines.append(f"profile    {profile.name}: {profile.sentence}")
    lines.append(
        f"precision  {profile.precision}{' with the word head' if head else ''}; "
        f"autoencoder {f'in tiles of {profile.tile} pixels' if profile.tile else 'whole'}; "
        f"guidance branches {'in turn' if profile.sequential_guidance else 'at once'}"
    )
    if profile.precision in FORMATS:
        there = find_cache(weights, profile.precision, head=head, notes=notes)
        lines.append(f"copy       {there.files.name if there else 'none: quantised while loading'}")
    lines += [f"memory     {_size(size)}  {use}" for use, size in found.need.card.items()]
    lines.append(f"memory     {_size(found.need.bytes)}  together, expected at most")
    lines += [f"host       {_size(size)}  {use}" for use, size in found.need.host.items()]
    if profile.precision in SLOW:
        notes.append(f"{profile.precision} is slow: {SLOW[profile.precision]}.")
    return "\n".join([*lines, *(f"note       {note}" for note in notes)])


def _size(count: int) -> str:
    return f"{count / 2**30:8.2f} GiB" if count >= 2**30 / 10 else f"{count / 2**20:8.1f} MiB"


def _speed(found: Placement) -> str:
    from engine.core.settings import PUBLIC, Settings
    from engine.placement.memory_estimate import picture_size
    from engine.placement.open import said
    from engine.placement.speed_probe import seconds_per_picture, stand_in

    settings = Settings.from_dict({**Settings().as_dict(), **found.opened.extras.get("sampling", PUBLIC)})
    height, width = picture_size(found.opened)
    model, autoencoder, tokens = stand_in(found.opened, found.profile, found.device)
    layers = found.opened.config.language.num_layers
    seconds = seconds_per_picture(
        model, autoencoder, tokens, settings, (height, width), layers=layers, sequential_guidance=found.profile.sequential_guidance
    )
    return (
        f"speed      about {said(seconds)} a picture of {width}x{height} with {settings.timesteps} timesteps "
        "(two layers timed, scaled up)"
    )


def quantise(arguments: argparse.Namespace) -> int:
    """Saves the copy. Returns the exit code."""
    from engine.checkpoints.errors import CheckpointError
    from engine.checkpoints.progress import Loading, LoadingCancelled, terminal_bar
    from engine.checkpoints.quantise.convert import FORMATS
    from engine.checkpoints.quantised_cache import cache_path
    from engine.placement.open import load_painter
    from engine.placement.planner import choose_placement

    loading = Loading()
    try:
        folder = arguments.checkpoint or default_checkpoint()
        found = choose_placement(folder, profile=arguments.profile, precision=arguments.precision)
        profile = found.profile
        if profile.precision not in FORMATS:
            raise CheckpointError(
                f"{profile.precision} is not quantised, so there is nothing to save. Give --precision "
                f"{' or '.join(FORMATS)}."
            )
        with terminal_bar(loading):
            load_painter(found, copy=True, loading=loading)
    except (CheckpointError, FileNotFoundError, OSError, LoadingCancelled) as error:
        print(f"quantise: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("quantise: stopped; nothing was written", file=sys.stderr)
        return 130
    head = profile.head and found.opened.head_fits
    print(f"{cache_path(found.opened.folder, profile.precision, head=head)} is there")
    return 0
