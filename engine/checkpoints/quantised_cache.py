"""A quantised copy beside the original weights: loads to the same bytes without the quantising step.

A copy belongs to exactly one set of weights. To know them again without reading all of them, it keeps
their mark (:func:`mark`) beside their full digests. A copy that is damaged, or was made from others, stops
nothing: it is left alone, and a note says so.
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
from engine.checkpoints.precision import label
from engine.checkpoints.sizes import LM_HEAD, check_tensors
from engine.checkpoints.tensor_writer import write_tensors

KEY = "restroke"
SAMPLES, SAMPLE = 64, 65536
DAMAGED = "is cut short or damaged"


@dataclass(frozen=True)
class QuantisedCache:
    """A copy that fits: its tensors, and the digests of the weights it was made from, by file name."""

    files: TensorFiles
    digests: dict[str, str]


def cache_path(folder: Path, precision: str, *, head: bool) -> Path:
    return folder / f"quantised-{label(precision, head=head)}.safetensors"


def mark(path: Path) -> str:
    """Hash (hex) of a file's size and of samples from all over it: 4 MiB are read, however large it is."""
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
    """The copy of these weights in this form, if there is one; ``notes`` says why one is left alone."""
    path = cache_path(weights.paths[0].parent, precision, head=head)
    if not path.is_file():
        return None
    try:
        said = json.loads(read_metadata(path)[KEY])
        digests = {str(name): str(digest) for name, digest in said["digests"].items()}
        fits = said["marks"] == _marks(weights)
        files = TensorFiles([path])
    except CheckpointError:
        notes.append(_left_alone(path.name, DAMAGED))
        return None
    except (KeyError, TypeError, AttributeError, ValueError):
        fits = False
    if not fits:
        notes.append(_left_alone(path.name, "was not made from the weights beside it"))
        return None
    return QuantisedCache(files, digests)


def holds_all(copy: QuantisedCache, model: nn.Module, *, tied: bool, notes: list[str]) -> bool:
    """Whether a copy holds what the quantised ``model`` needs; ``notes`` says so when it doesn't."""
    state = model.state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    quantised = {name: value.dtype for name, value in state.items() if not value.dtype.is_floating_point}
    try:
        check_tensors(copy.files, shapes, (LM_HEAD,) if tied else ())
        whole = all(copy.files.stored[name].dtype == dtype for name, dtype in quantised.items())
    except CheckpointError:
        whole = False
    if not whole:
        notes.append(_left_alone(copy.files.name, DAMAGED))
    return whole


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
            "Free some space; the model runs without the copy, it only takes longer to load."
        )
    said = {"precision": precision, "head": head, "digests": digests, "marks": _marks(weights)}
    outline = {name: (value.dtype, tuple(value.shape)) for name, value in state.items()}
    write_tensors(path, outline, iter(state.items()), {"format": "pt", KEY: json.dumps(said)})
    return path


def _left_alone(name: str, why: str) -> str:
    return (
        f"{name} {why}, so it was left alone: the model loads from its own weights, only more slowly. Delete "
        "the copy, or save it again with the command quantise."
    )


def _marks(weights: TensorFiles) -> dict[str, str]:
    return {path.name: mark(path) for path in weights.paths}
