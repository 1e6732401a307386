"""The commands that make the model work: go on from a card, make it again, polish a picture, stop."""

from __future__ import annotations

from typing import Any

from engine.core.settings import Settings
from engine.core.trajectory import NOUNS, Step
from engine.serving.queue import RunJob
from sessions import Branch
from studio import pending_settings
from studio.commands.messages import Id, InSession, RefusedError
from studio.commands.open_session import OpenSession
from studio.commands.protocol_choice import must_have_something_to_add, settings_for_run
from studio.commands.retries import (
    broke_off_attempt,
    broke_off_one_more,
    broke_off_polishing,
    failures,
    next_attempt,
    unused_attempt,
)
from studio.state import StudioState

MOVED_ON = "Stopped because you went on from another card. Everything that was finished is kept."


class Run(InSession):
    """Goes on from a card: on its branch when it is the newest there, else on a new one.

    ``more``: with one more round, even if the model thinks the picture is finished. ``again``: after a
    failure, with another seed.
    """

    step: Id
    branch: Id
    again: bool = False
    more: bool = False


def run(state: StudioState, owner: str, message: Run) -> dict[str, Any]:
    here = OpenSession.read(state, owner, message.sid)
    step = here.step(message.step)
    return go_on(here, step, message.branch, again=message.again, more=message.more)


class Again(InSession):
    """Makes a step once more with a new seed, on a branch of its own.

    In the place of a plan that was wished for, or is the person's own, a plan is made again, even if the
    model thinks the picture is finished.
    """

    step: Id


def again(state: StudioState, owner: str, message: Again) -> dict[str, Any]:
    here = OpenSession.read(state, owner, message.sid)
    old = here.step(message.step)
    if old.parent is None:
        return run_from(here, old)
    attempt = next_attempt(here.steps().values(), here.store.runs.list(owner, here.sid), old.parent)
    path = here.path(old.parent)
    settings = settings_for_run(path, here.settings, state.model, polish=old.kind == "reflect")
    must_have_something_to_add(settings, path)
    more = "wish" in old.recipe or (old.kind == "plan" and old.author == "person")
    return _branch_and_run(
        here, old.parent, f"another {NOUNS[old.kind]}", settings, attempt=attempt, more=more
    )


class Polish(InSession):
    """Has the model say what a picture lacks and draw it again, on a branch of its own."""

    step: Id


def polish(state: StudioState, owner: str, message: Polish) -> dict[str, Any]:
    here = OpenSession.read(state, owner, message.sid)
    old = here.step(message.step)
    if old.image is None:
        raise RefusedError("Only a picture can be polished.")
    return run_from(here, old, name="polished", polish=True)


class Stop(InSession):
    """Stops a run. What was finished stays."""

    run: Id


def stop(state: StudioState, owner: str, message: Stop) -> dict[str, Any]:
    found = state.store.runs.get(owner, message.run)
    if not state.worker.cancel(found.id) and not found.is_over:
        stopped = state.store.runs.set(owner, found.id, "cancelled")
        state.announcer.run(found.session_id, stopped)
    return {}


def go_on(
    here: OpenSession, step: Step, branch_id: str | None, *, again: bool = False, more: bool = False
) -> dict[str, Any]:
    """As :class:`Run`. What a run that broke off was asked for is asked for again."""
    branch = here.branch(branch_id) if branch_id else None
    if branch is None or branch.tip != step.id:
        return run_from(here, step)
    path = here.path(step.id)
    runs = [found for found in here.store.runs.list(here.owner, here.sid) if found.branch_id == branch.id]
    polishing = broke_off_polishing(here.session, runs, step)
    settings = settings_for_run(path, here.settings, here.state.model, polish=polishing)
    attempt = failures(runs, path) if again else 0
    asked = broke_off_attempt(runs, step)
    if asked is not None:
        attempt = max(attempt, asked + again)
    more = more or broke_off_one_more(runs, step)
    start_run(here, branch, settings, attempt=attempt, more=more)
    return {"branch": branch.id}


def run_from(
    here: OpenSession, step: Step, *, name: str | None = None, polish: bool = False
) -> dict[str, Any]:
    """Goes on from a card on a new branch: with a seed that these settings did not have there before."""
    settings = settings_for_run(here.path(step.id), here.settings, here.state.model, polish=polish)
    attempt = unused_attempt(here.steps(), step, settings)
    return _branch_and_run(here, step.id, name or f"on from {NOUNS[step.kind]}", settings, attempt=attempt)


def _branch_and_run(
    here: OpenSession, tip: str, name: str, settings: Settings, *, attempt: int, more: bool = False
) -> dict[str, Any]:
    branch = here.store.tree.create_branch(here.owner, here.sid, tip, here.free_name(name))
    made = here.announce(branch)
    start_run(here, branch, settings, attempt=attempt, more=more)
    return {"branch": branch.id, "made": made}


def start_run(
    here: OpenSession,
    branch: Branch,
    settings: Settings,
    *,
    attempt: int = 0,
    more: bool = False,
    priority: bool = True,
) -> None:
    """Starts a run at the end of a branch. Runs on the session's other branches stop: the person moved on.

    The run is stored before the worker hears of it. ``attempt``, ``more`` and ``priority`` are as of
    :class:`engine.serving.queue.RunJob`. Raises :class:`RefusedError` while the branch has a run.
    """
    state, owner, sid = here.state, here.owner, here.sid
    state.recorder.write_ends()
    under_way = [found for found in state.store.runs.list(owner, sid) if found.state in ("queued", "running")]
    if any(found.branch_id == branch.id for found in under_way):
        raise RefusedError("This branch is already being worked on. Stop it first, or wait until it pauses.")
    for found in under_way:
        state.recorder.stop(found.id, MOVED_ON)
    pending = pending_settings.is_pending(here.session)
    asked = {"after": branch.tip, "more": more, "attempt": attempt}
    stored = state.store.runs.create(owner, sid, branch.id, ({} if pending else settings.as_dict()) | asked)
    state.announcer.run(sid, stored)
    state.worker.submit(
        RunJob(
            id=stored.id,
            owner=owner,
            session_id=sid,
            branch_id=branch.id,
            settings=settings,
            session_seed=here.seed,
            attempt=attempt,
            more=more,
            priority=priority,
            provisional=pending,
        )
    )
