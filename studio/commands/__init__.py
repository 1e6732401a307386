"""The commands of the page, by name: how a message becomes a change and a reply.

A command is a message, whose values are checked, and a function that does it. What a command changed reaches
all tabs over the event log, the reply only the tab that asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sessions import Conflict, StoreError
from studio.auth import DeniedError
from studio.commands import cards, questions, runs, sessions
from studio.commands.messages import Message, RefusedError
from studio.state import StudioState

log = logging.getLogger(__name__)

Reply = dict[str, Any]
Command = tuple[type[Message], Callable[[StudioState, str, Any], Reply]]

COMMANDS: dict[str, Command] = {
    "create": (sessions.Create, sessions.create),
    "settings": (sessions.ChangeSettings, sessions.settings),
    "rename": (sessions.Rename, sessions.rename),
    "rename_branch": (sessions.RenameBranch, sessions.rename_branch),
    "duplicate": (sessions.Duplicate, sessions.duplicate),
    "delete": (sessions.Delete, sessions.delete),
    "restore": (sessions.Restore, sessions.restore),
    "stop_loading": (sessions.StopLoading, sessions.stop_loading),
    "edit": (cards.Edit, cards.edit),
    "add": (cards.Add, cards.add),
    "replace": (cards.Replace, cards.replace),
    "fresh_start": (cards.FreshStart, cards.fresh_start),
    "run": (runs.Run, runs.run),
    "again": (runs.Again, runs.again),
    "polish": (runs.Polish, runs.polish),
    "stop": (runs.Stop, runs.stop),
    "ask": (questions.Ask, questions.ask),
    "stop_note": (questions.StopNote, questions.stop_note),
    "delete_note": (questions.DeleteNote, questions.delete_note),
}


def handle(state: StudioState, owner: str, sent: object) -> Reply:
    """Does what a page sent and gives the reply: always an answer, never an exception."""
    values = dict(sent) if isinstance(sent, Mapping) else {}
    name = values.pop("action", None)
    try:
        command = COMMANDS.get(name) if isinstance(name, str) else None
        if command is None:
            raise RefusedError("This page is older than Restroke. Load it again.")
        values.pop("nonce", None)
        message, function = command
        return {**_reply(sent), "ok": True, **function(state, owner, message.read(values))}
    except Conflict as error:
        return {**refusal(sent, error), "conflict": True}
    except (RefusedError, StoreError, DeniedError) as error:
        return refusal(sent, error)
    except Exception:
        log.exception("the command %r failed", name)
        return refusal(
            sent, "Something went wrong in Restroke. Nothing was lost; try again. The log file says more."
        )


def refusal(sent: object, error: object) -> Reply:
    """The reply to what can't be done."""
    return {**_reply(sent), "ok": False, "error": str(error)}


def _reply(sent: object) -> Reply:
    """A reply's first values: the ``nonce`` is that of what was sent, so that the page knows its answer."""
    nonce = sent.get("nonce") if isinstance(sent, Mapping) else None
    return {"type": "reply", "nonce": nonce if isinstance(nonce, str | int) else None}
