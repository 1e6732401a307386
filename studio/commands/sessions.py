"""The commands of a session and the model: begin one, its settings and names, delete and restore it."""

from __future__ import annotations

import random
from typing import Annotated, Any

from engine.core.trajectory import Step
from sessions import Note, Run
from studio import pending_settings
from studio.commands.messages import (
    Choices,
    Id,
    InSession,
    NoSession,
    RefusedError,
    Seed,
    Token,
    checked_settings,
    text,
)
from studio.commands.open_session import OpenSession
from studio.commands.protocol_choice import must_be_offered, must_fit
from studio.commands.runs import start_run
from studio.state import StudioState
from studio.uploads import UPLOADED
from studio.views import settings_of


class Create(NoSession):
    """Begins a session and its first run; with ``upload``, from a person's picture.

    ``settings`` are those that were chosen. The rest are the model's own, as soon as it is there.
    """

    prompt: Annotated[str, text("prompt")]
    settings: Choices
    seed: Seed | None
    upload: Token | None = None


def create(state: StudioState, owner: str, message: Create) -> dict[str, Any]:
    seed = random.randrange(100_000) if message.seed is None else message.seed
    model = state.model
    settings = checked_settings(message.settings, state.settings)
    if model:
        must_be_offered(settings, model)
        must_fit(settings, model.image_sizes)
    kept = settings.as_dict() if model else pending_settings.mark_pending(message.settings)
    start = _uploaded(state, owner, message.upload) if message.upload else None
    with state.store.transaction():
        session = state.store.sessions.create(owner, message.prompt, kept, seed)
        here = OpenSession(state, owner, session)
        (branch,) = here.branches()
        if start:
            picture = Step(branch.tip, "image", "person", image=start, recipe={"start": UPLOADED})
            state.store.tree.add_step(owner, here.sid, picture, branch.id)
            branch = here.branch(branch.id)
    state.announcer.session_list(owner)
    start_run(here, branch, settings, priority=False)
    return {"session": session.id}


def _uploaded(state: StudioState, owner: str, upload: str) -> str:
    """The digest of a picture to start from. Refused when the upload is somebody else's, or long ago."""
    whose, digest = state.tokens.read("start", upload)
    if whose != owner:
        raise RefusedError("This picture was uploaded somewhere else. Choose it again.")
    return digest


class ChangeSettings(InSession):
    """Settings for what is made from now on; those that aren't given stay."""

    settings: Choices
    seed: Seed | None = None


def settings(state: StudioState, owner: str, message: ChangeSettings) -> dict[str, Any]:
    sid, chosen = message.sid, message.settings
    with state.sessions.lock:
        session = state.session(owner, sid)
        before, seed = settings_of(session)
        changed = checked_settings(chosen, before)
        if chosen.keys() & {"height", "width"}:  # another model's session may have a size of its own
            must_fit(changed, state.model.image_sizes if state.model else None)
        kept = {**session.settings, **chosen} if pending_settings.is_pending(session) else changed.as_dict()
        seed = seed if message.seed is None else message.seed
        state.store.sessions.update_settings(owner, sid, {**kept, "seed": seed})
        state.announcer.settings(owner, sid)
    for found in state.store.runs.list(owner, sid):
        if found.state in ("queued", "running"):
            state.worker.change_mode(found.id, changed.mode)
    return {}


class Rename(InSession):
    """Gives a session another title."""

    title: Annotated[str, text("title")]


def rename(state: StudioState, owner: str, message: Rename) -> dict[str, Any]:
    session = state.store.sessions.rename(owner, message.sid, message.title)
    state.announcer.title(owner, session.id, session.title)
    return {}


class RenameBranch(InSession):
    """Gives a branch another name."""

    branch: Id
    name: Annotated[str, text("name")]


def rename_branch(state: StudioState, owner: str, message: RenameBranch) -> dict[str, Any]:
    branch = state.store.tree.rename_branch(owner, message.sid, message.branch, message.name)
    state.announcer.branch(owner, message.sid, branch.id)
    return {}


class Duplicate(InSession):
    """Makes a copy of a session."""


def duplicate(state: StudioState, owner: str, message: Duplicate) -> dict[str, Any]:
    copy = state.store.sessions.duplicate(owner, message.sid)
    state.announcer.session_list(owner)
    return {"session": copy.id}


class Delete(InSession):
    """Puts a session away; :class:`Restore` brings it back."""


def delete(state: StudioState, owner: str, message: Delete) -> dict[str, Any]:
    jobs: list[Run | Note] = [
        *state.store.runs.list(owner, message.sid),
        *state.store.notes.list(owner, message.sid),
    ]
    for job in jobs:
        if not job.is_over:
            state.worker.cancel(job.id)
    state.store.sessions.delete(owner, message.sid)
    state.announcer.session_list(owner)
    return {}


class Restore(InSession):
    """Restores a deleted session."""


def restore(state: StudioState, owner: str, message: Restore) -> dict[str, Any]:
    state.store.sessions.restore(owner, message.sid)
    state.announcer.session_list(owner)
    return {}


class StopLoading(NoSession):
    """Stops the loading of the model. Only on one's own computer: elsewhere others may be waiting for it."""


def stop_loading(state: StudioState, owner: str, message: StopLoading) -> dict[str, Any]:
    if not state.loopback_only:
        raise RefusedError("Only the person who runs this studio can stop the loading of its model.")
    state.worker.stop_loading()
    return {}
