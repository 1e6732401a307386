"""``restroke check``: says whether and how a checkpoint runs here, the memory it takes, and how fast it is.

It loads no weights; a stand-in of two layers with the real widths is timed. Exit code 1, with the reason,
when the checkpoint can't run. ``restroke quantise`` saves a quantised copy beside the weights.
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
    """Adds ``check`` and ``quantise`` with their options to the commands."""
    parser = commands.add_parser(
        "check",
        help="check whether and how a model runs on this machine",
        description="Checks whether and how a checkpoint runs on this machine, how much memory it takes and "
        "how long a picture takes. Loads no weights. Exits with 1 when it can't run.",
        epilog="Profiles: "
        + "; ".join(f"{name}: {profile.sentence}" for name, profile in PROFILES.items())
        + ".",
    )
    add_placement_options(parser)
    parser.set_defaults(call=check)
    parser = commands.add_parser(
        "quantise",
        help="save a quantised copy of a model, which loads faster",
        description="Quantises a checkpoint and saves the quantised copy beside its weights. From then on it "
        "loads without quantising.",
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
        placement = choose_placement(folder, profile=arguments.profile, precision=arguments.precision)
        print(report(placement))
        print(_speed(placement))
    except (CheckpointError, FileNotFoundError) as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # a driver or a foreign folder may fail in any way
        print(f"check: it can't run here ({type(error).__name__}: {error})", file=sys.stderr)
        return 1
    return 0


def report(placement: Placement) -> str:
    """Files, GPUs, profile and memory by use, as lines."""
    from engine.checkpoints.quantise.convert import FORMATS, SLOW
    from engine.checkpoints.quantised_cache import find_cache
    from engine.placement.memory_estimate import GIB

    folder, profile, notes = placement.folder, placement.profile, list(placement.notes)
    weights, head = folder.weights, profile.head and folder.head_fits  # as load and quantise do
    files = weights.name if len(weights.paths) == 1 else f"{len(weights.paths)} shards"
    lines = [
        f"folder     {folder.path}: complete; {len(weights.stored)} tensors in {files}, "
        f"{weights.bytes / GIB:.2f} GiB",
        f"tokenizer  {folder.tokenizer.size} tokens",
    ]
    lines += [
        f"GPU        {gpu.name} ({gpu.device}): {gpu.free / GIB:.1f} of {gpu.total / GIB:.1f} GiB free"
        for gpu in placement.gpus
    ] or ["GPU        none; it runs on the CPU"]
    lines.append(f"profile    {profile.name}: {profile.sentence}")
    lines.append(
        f"precision  {profile.precision}{' with the LM head' if head else ''}; "
        f"autoencoder {f'in tiles of {profile.tile} pixels' if profile.tile else 'whole'}; "
        f"guidance {'sequential' if profile.sequential_guidance else 'in one pass'}"
    )
    if profile.precision in FORMATS:
        cached = find_cache(weights, profile.precision, head=head, notes=notes)
        lines.append(f"copy       {cached.files.name if cached else 'none: quantised while loading'}")
    lines += [f"memory     {_size(size)}  {use}" for use, size in placement.memory.on_device.items()]
    lines.append(f"memory     {_size(placement.memory.bytes)}  together, expected at most")
    lines += [f"host       {_size(size)}  {use}" for use, size in placement.memory.on_host.items()]
    if profile.precision in SLOW:
        notes.append(f"{profile.precision} is slow: {SLOW[profile.precision]}.")
    return "\n".join([*lines, *(f"note       {note}" for note in notes)])


def _size(count: int) -> str:
    return f"{count / 2**30:8.2f} GiB" if count >= 2**30 / 10 else f"{count / 2**20:8.1f} MiB"


def _speed(placement: Placement) -> str:
    from engine.core.settings import PUBLIC, Settings
    from engine.placement.memory_estimate import picture_size
    from engine.placement.open import format_seconds
    from engine.placement.speed_probe import seconds_per_picture, stand_in

    folder, profile = placement.folder, placement.profile
    settings = Settings.from_dict(folder.extras.get("sampling", PUBLIC))
    height, width = picture_size(folder)
    seconds = seconds_per_picture(
        *stand_in(folder, profile, placement.device),
        settings,
        (height, width),
        layers=folder.config.language.num_layers,
        sequential_guidance=profile.sequential_guidance,
    )
    return (
        f"speed      about {format_seconds(seconds)} a picture of {width}x{height} "
        f"with {settings.timesteps} timesteps (two layers timed, scaled up)"
    )


def quantise(arguments: argparse.Namespace) -> int:
    """Saves the quantised copy. Returns the exit code."""
    from engine.checkpoints.errors import CheckpointError
    from engine.checkpoints.progress import LoadingCancelled, LoadProgress, terminal_bar
    from engine.checkpoints.quantise.convert import FORMATS
    from engine.checkpoints.quantised_cache import cache_path
    from engine.placement.open import load_painter
    from engine.placement.planner import choose_placement

    loading = LoadProgress()
    try:
        folder = arguments.checkpoint or default_checkpoint()
        placement = choose_placement(folder, profile=arguments.profile, precision=arguments.precision)
        profile = placement.profile
        if profile.precision not in FORMATS:
            raise CheckpointError(
                f"{profile.precision} is not quantised, so there is nothing to save. Give --precision "
                f"{' or '.join(FORMATS)}."
            )
        with terminal_bar(loading):
            load_painter(placement, copy=True, loading=loading)
    except (CheckpointError, FileNotFoundError, OSError, LoadingCancelled) as error:
        print(f"quantise: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("quantise: stopped; nothing was written", file=sys.stderr)
        return 130
    head = profile.head and placement.folder.head_fits
    print(f"The quantised copy is in {cache_path(placement.folder.path, profile.precision, head=head)}")
    return 0
