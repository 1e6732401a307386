"""The quantised cache: a quantised copy beside the weights, which loads faster, to the same bytes.

A copy belongs to exactly one set of weights. It recognises them by a hash of samples of each file
(:func:`sampled_hash`), without reading all of them. A copy that is damaged, or was made from other weights,
is ignored, and a note says so.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.files import TensorFiles, read_metadata
from engine.checkpoints.precision import precision_label
from engine.checkpoints.sizes import LM_HEAD, check_tensors
from engine.checkpoints.tensor_writer import write_tensors

KEY = "restroke"
SAMPLES, SAMPLE = 64, 65536
DAMAGED = "is cut short or damaged"


@dataclass(frozen=True)
class QuantisedCache:
    """A copy that belongs to the weights: its tensors, and the weights' digests by file name."""

    files: TensorFiles
    digests: dict[str, str]


def cache_path(folder: Path, precision: str, *, head: bool) -> Path:
    """The file of the quantised copy of a folder's weights in a precision."""
    return folder / f"quantised-{precision_label(precision, head=head)}.safetensors"


def sampled_hash(path: Path) -> str:
    """SHA-256 (hex) of a file's size and of samples from all over it: reads 4 MiB, whatever its size."""
    size = path.stat().st_size
    found = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for number in range(SAMPLES):
            file.seek(size * number // SAMPLES)
            found.update(file.read(SAMPLE))
    return found.hexdigest()


def find_cache(
    weights: TensorFiles, precision: str, *, head: bool, notes: list[str]
) -> QuantisedCache | None:
    """The copy of these weights in this form, if there is one. ``notes`` gets why one was ignored."""
    path = cache_path(weights.paths[0].parent, precision, head=head)
    if not path.is_file():
        return None
    try:
        stored = json.loads(read_metadata(path)[KEY])
        digests = {str(name): str(digest) for name, digest in stored["digests"].items()}
        fits = stored["marks"] == _sampled_hashes(weights)
        files = TensorFiles([path])
    except CheckpointError:
        notes.append(_ignored(path.name, DAMAGED))
        return None
    except (KeyError, TypeError, AttributeError, ValueError):
        fits = False
    if not fits:
        notes.append(_ignored(path.name, "was not made from the weights beside it"))
        return None
    return QuantisedCache(files, digests)


def is_complete(cache: QuantisedCache, model: nn.Module, *, tied: bool, notes: list[str]) -> bool:
    """Whether a copy has all that the quantised ``model`` needs; ``notes`` gets it when it hasn't."""
    state = model.state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    quantised = {name: value.dtype for name, value in state.items() if not value.dtype.is_floating_point}
    try:
        check_tensors(cache.files, shapes, (LM_HEAD,) if tied else ())
        complete = all(cache.files.stored[name].dtype == dtype for name, dtype in quantised.items())
    except CheckpointError:
        complete = False
    if not complete:
        notes.append(_ignored(cache.files.name, DAMAGED))
    return complete


def save_cache(
    weights: TensorFiles, digests: dict[str, str], model: nn.Module, precision: str, *, head: bool, tied: bool
) -> Path:
    """Writes a freshly loaded model beside its weights, tensor by tensor, and returns the file.

    Raises ``CheckpointError`` when the disk has no room for it.
    """
    state = {name: value for name, value in model.state_dict().items() if not (tied and name == LM_HEAD)}
    path = cache_path(weights.paths[0].parent, precision, head=head)
    size = sum(value.nbytes for value in state.values())
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise CheckpointError(
            f"The quantised copy needs {size / 2**30:.1f} GiB and {path.parent} has {free / 2**30:.1f} free. "
            "Free some space. The model runs without the copy; it only takes longer to load."
        )
    stored = {"precision": precision, "head": head, "digests": digests, "marks": _sampled_hashes(weights)}
    outline = {name: (value.dtype, tuple(value.shape)) for name, value in state.items()}
    write_tensors(path, outline, iter(state.items()), {"format": "pt", KEY: json.dumps(stored)})
    return path


def _ignored(name: str, why: str) -> str:
    return (
        f"{name} {why}, so it was ignored: the model loads from its own weights, more slowly. Delete this "
        "quantised copy, or save it again with restroke quantise."
    )


def _sampled_hashes(weights: TensorFiles) -> dict[str, str]:
    return {path.name: sampled_hash(path) for path in weights.paths}
