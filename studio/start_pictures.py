"""Pictures to start from: a person's own for a new session, or an earlier one to start afresh from.

Either is a step right after the prompt, so the model is shown the words and that picture and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.trajectory import NOUNS, Step
from studio.card_commands import begin_from
from studio.state import StudioState
from studio.uploads import UPLOADED
from studio.validation import RefusedError


def uploaded(room: StudioState, owner: str, upload: str) -> str:
    """The digest of a picture to start from. Refused when the upload is somebody else's, or long ago."""
    whose, digest = room.tokens.read("start", upload)
    if whose != owner:
        raise RefusedError("This picture was uploaded somewhere else. Choose it again.")
    return digest


def started(prompt: str, digest: str) -> Step:
    """The step of an uploaded picture after the prompt of this id."""
    return Step(prompt, "image", "person", image=digest, recipe={"start": UPLOADED})


def carry_on(room: StudioState, owner: str, *, sid: str, step: str) -> dict:
    """Goes on from a picture as if the session had begun with it, on a branch of its own."""
    old = room.store.tree.step(owner, sid, step)
    if old.image is None:
        raise RefusedError("Only a picture can be started afresh from.")
    path = room.store.tree.trajectory(owner, sid, old.id)
    if old.is_start:
        raise RefusedError("This branch begins with this picture already. Continue, or run from the card.")
    new = Step(path[0].id, "image", "person", image=old.image, recipe={"start": old.id})
    return begin_from(room, owner, sid, new, f"afresh from {_which(path)}")


def _which(path: Sequence[Step]) -> str:
    """ "sketch 2": the name of the last picture among its kind."""
    kind = path[-1].kind
    return f"{NOUNS[kind]} {sum(step.kind == kind for step in path)}"
