"""The commands of the page, by name: those of a session here, those of its cards beside this file.

Every method takes the owner and the command's values, and returns what the reply holds besides ``ok``.
What a command changed reaches all tabs over the live log, the reply only the tab that asked.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import Any

from sessions import Conflict, StoreError
from studio import card_commands, pending_settings, question_commands, start_pictures
from studio.auth import DeniedError
from studio.card_commands import start_run, tell_branch
from studio.protocol_choice import must_be_offered, must_fit
from studio.state import StudioState
from studio.validation import RefusedError, checked_seed, checked_settings, checked_text
from studio.views import settings_of

log = logging.getLogger(__name__)


def handle(room: StudioState, owner: str, command: Mapping[str, Any]) -> dict[str, Any]:
    """Does a command and gives the reply: always an answer, never an exception."""
    values = dict(command)
    name, nonce = str(values.pop("action", "")), values.pop("nonce", None)
    reply: dict[str, Any] = {"type": "reply", "nonce": nonce}
    try:
        method = COMMANDS.get(name)
        if method is None:
            raise RefusedError("This page is older than Restroke. Load it again.")
        return {**reply, "ok": True, **method(room, owner, **values)}
    except Conflict as error:
        return {**reply, "ok": False, "conflict": True, "error": str(error)}
    except (RefusedError, StoreError, DeniedError) as error:
        return {**reply, "ok": False, "error": str(error)}
    except Exception:
        log.exception("the command %r failed", name)
        return {
            **reply,
            "ok": False,
            "error": "Something went wrong in Restroke. Nothing was lost; try again. The log file says more.",
        }


def create(
    room: StudioState,
    owner: str,
    *,
    prompt: str,
    settings: Mapping[str, Any],
    seed: int | None,
    sid: None,
    upload: str | None = None,
) -> dict:
    """Begins a session and its first run; with ``upload``, from a person's picture.

    ``settings``: those that were chosen. The rest are the model's own, as soon as it is there.
    """
    drawn = random.randrange(100_000) if seed is None else checked_seed(seed)
    working = room.worker.snapshot()
    wish = checked_settings(settings, room.settings)
    kept = wish.as_dict() if working.state == "ready" else pending_settings.waiting(settings)
    if working.state == "ready":
        must_be_offered(wish, working.protocols)
        must_fit(wish, working.canvas)
    words = checked_text(prompt, "prompt")
    start = start_pictures.uploaded(room, owner, upload) if upload else None
    session = room.store.sessions.create(owner, words, kept, drawn)
    room.tell_owner(owner)
    branch = room.store.tree.branches(owner, session.id)[0]
    if start:
        room.store.tree.add_step(owner, session.id, start_pictures.started(branch.tip, start), branch.id)
    start_run(room, owner, session.id, branch, wish)
    return {"session": session.id}


def settings(
    room: StudioState, owner: str, *, sid: str, settings: Mapping[str, Any], seed: int | None = None
) -> dict:
    """Settings for what is made from now on; those that aren't given stay."""
    with room.settling:
        session = room.session(owner, sid)
        usual, drawn = settings_of(session)
        wish = checked_settings(settings, usual)
        if settings.keys() & {"height", "width"}:  # another model's session may have a size of its own
            must_fit(wish, room.worker.snapshot().canvas)
        drawn = drawn if seed is None else checked_seed(seed)
        kept = {**session.settings, **settings} if pending_settings.waits(session) else wish.as_dict()
        room.store.sessions.update_settings(owner, sid, {**kept, "seed": drawn})
        room.log.append(sid, "session", values={"settings": wish.as_dict(), "seed": drawn})
    for branch in room.store.tree.branches(owner, sid):
        tell_branch(room, owner, sid, branch)  # what may come next on it follows from the settings
    for found in room.store.runs.list(owner, sid):
        if found.state in ("queued", "running"):
            room.worker.change_mode(found.id, wish.mode)
    return {}


def rename(room: StudioState, owner: str, *, sid: str, title: str) -> dict:
    session = room.store.sessions.rename(owner, sid, title)
    room.log.append(sid, "session", values={"title": session.title})
    room.tell_owner(owner)
    return {}


def duplicate(room: StudioState, owner: str, *, sid: str) -> dict:
    copy = room.store.sessions.duplicate(owner, sid)
    room.tell_owner(owner)
    return {"session": copy.id}


def delete(room: StudioState, owner: str, *, sid: str) -> dict:
    """Puts a session away; ``restore`` brings it back."""
    for found in room.store.runs.list(owner, sid):
        if not found.is_over:
            room.worker.cancel(found.id)
    for note in room.store.notes.list(owner, sid):
        if not note.is_over:
            room.worker.cancel(note.id)
    room.store.sessions.delete(owner, sid)
    room.tell_owner(owner)
    return {}


def restore(room: StudioState, owner: str, *, sid: str) -> dict:
    room.store.sessions.restore(owner, sid)
    room.tell_owner(owner)
    return {}


def rename_branch(room: StudioState, owner: str, *, sid: str, branch: str, name: str) -> dict:
    found = room.store.tree.rename_branch(owner, sid, branch, name)
    tell_branch(room, owner, sid, found)
    return {}


def stop_loading(room: StudioState, owner: str, *, sid: None) -> dict:
    """Stops the loading of the model. Only on one's own computer: others may be waiting for it elsewhere."""
    if not room.loopback_only:
        raise RefusedError("Only whoever runs this studio can stop the loading of its model.")
    room.worker.stop_loading()
    return {}


COMMANDS = {
    method.__name__: method
    for method in (
        create,
        settings,
        rename,
        duplicate,
        delete,
        restore,
        rename_branch,
        stop_loading,
        card_commands.edit,
        card_commands.add,
        card_commands.replace,
        card_commands.again,
        card_commands.polish,
        card_commands.run,
        card_commands.stop,
        start_pictures.carry_on,
        question_commands.ask,
        question_commands.stop_note,
        question_commands.delete_note,
    )
}
