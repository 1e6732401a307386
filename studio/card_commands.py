"""The commands of a card: rewrite it, put a picture in its place, make it again, go on from it, stop.

Whatever changes a card makes a branch beside it; nothing is overwritten. Each takes the owner and the
command's values and returns what the reply holds besides ``ok``; a refusal is an exception whose
sentence the person reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as replaced
from typing import Any

from engine.core.settings import Settings
from engine.core.trajectory import IMAGE_KINDS, NOUNS, TEXT_FIELDS, Step
from sessions import Branch, Conflict
from studio.protocol_choice import must_be_offered, must_have_something_to_add, settings_after
from studio.retries import (
    broke_off_attempt,
    broke_off_one_more,
    broke_off_polishing,
    failures,
    next_attempt,
    unused_attempt,
)
from studio.state import StudioState
from studio.text_diff import branch_name, edit_name
from studio.validation import RefusedError, checked_text
from studio.views import branch_view, settings_of, step_view

WRITTEN_BY_HAND = frozenset({"plan", "inspect", "think", "reflect"})
MOVED_ON = "Stopped because you went on from another card. Everything that was finished is kept."


def edit(
    room: StudioState,
    owner: str,
    *,
    sid: str,
    step: str,
    fields: Mapping[str, str],
    run: bool,
    force: bool = False,
    known: list[str] | None = None,
    branch: str | None = None,
) -> dict:
    """Saves a rewritten card beside the old one, on a branch of its own.

    Words of a prompt, rewritten or not, keep the picture that ``branch`` starts from.
    ``known``: the versions of this card that the tab knew. When somebody rewrote it meanwhile, this is a
    :class:`Conflict` and the tab may ask again with ``force``.
    """
    old = room.store.tree.step(owner, sid, step)
    if old.kind not in TEXT_FIELDS:
        raise RefusedError("This card holds a picture. Paint over it or replace it.")
    texts = _texts(old.kind, fields)
    start = _start_of(room, owner, sid, branch) if old.kind == "prompt" else None
    if texts == dict(old.fields):
        return _go_on(room, owner, sid, start or old, branch) if run else {}
    _nobody_else(room, owner, sid, old, known, force)
    recipe: dict[str, Any] = {"edited_from": old.id}
    if old.kind == "prompt":
        recipe["session_seed"] = room.store.sessions.get(owner, sid).seed
    new = Step(old.parent, old.kind, "person", texts, recipe=recipe)
    return _fork(room, owner, sid, old, new, edit_name(old, texts), run, start)


def add(
    room: StudioState,
    owner: str,
    *,
    sid: str,
    branch: str,
    tip: str,
    kind: str,
    fields: Mapping[str, str],
    run: bool,
) -> dict:
    """Adds a person's own text of a kind in :data:`WRITTEN_BY_HAND` at the end of a branch.

    One that moved on meanwhile: ``Conflict``.
    """
    if kind not in WRITTEN_BY_HAND:
        raise RefusedError("No such card can be written here. Load the page again.")
    new = Step(tip, kind, "person", _texts(kind, fields))
    how = _how(room, owner, sid, [*room.store.tree.trajectory(owner, sid, tip), new]) if run else None
    saved = room.store.tree.add_step(owner, sid, new, branch)
    moved, steps = room.store.tree.branch(owner, sid, branch), room.store.tree.steps(owner, sid)
    made = tell_branch(room, owner, sid, moved, [step_view(saved, steps, room.max_pictures)])
    if how:
        start_run(room, owner, sid, moved, how, urgent=True)
    return {"branch": branch, "step": saved.id, "made": made}


def replace(room: StudioState, owner: str, *, sid: str, step: str, upload: str, run: bool) -> dict:
    """Puts a person's picture in the place of a card's, on a branch of its own."""
    old = room.store.tree.step(owner, sid, step)
    if old.kind not in IMAGE_KINDS:
        raise RefusedError("Only a picture can be replaced by a picture.")
    whose, where, digest = room.tokens.read("upload", upload)
    if (whose, where) != (owner, sid):
        raise RefusedError("This picture was uploaded somewhere else. Choose it again.")
    recipe = {"edited_from": old.id, **({"start": "upload"} if old.is_start else {})}
    new = Step(old.parent, old.kind, "person", image=digest, recipe=recipe)
    return _fork(room, owner, sid, old, new, "my picture", run)


def again(room: StudioState, owner: str, *, sid: str, step: str) -> dict:
    """Makes a step once more with a new seed, on a branch of its own.

    In the place of a plan that was wished for, or is the person's own, there shall be a plan again, even if
    the model holds the picture to be complete.
    """
    old = room.store.tree.step(owner, sid, step)
    if old.parent is None:
        return _run_from(room, owner, sid, old)
    steps, runs = room.store.tree.steps(owner, sid), room.store.runs.list(owner, sid)
    attempt = next_attempt(steps.values(), runs, old.parent)
    path = room.store.tree.trajectory(owner, sid, old.parent)
    how = _how(room, owner, sid, path, polish=old.kind == "reflect")
    must_have_something_to_add(how, path)
    name = f"another {NOUNS[old.kind]}"
    more = "wish" in old.recipe or (old.kind == "plan" and old.author == "person")
    return _branch_and_run(room, owner, sid, old.parent, name, how, attempt=attempt, more=more)


def polish(room: StudioState, owner: str, *, sid: str, step: str) -> dict:
    """Has the model say what a picture lacks and draw it again, on a branch of its own."""
    old = room.store.tree.step(owner, sid, step)
    if old.image is None:
        raise RefusedError("Only a picture can be polished.")
    return _run_from(room, owner, sid, old, name="polished", polish=True)


def run(
    room: StudioState,
    owner: str,
    *,
    sid: str,
    step: str,
    branch: str,
    again: bool = False,
    more: bool = False,
) -> dict:
    """Goes on from a card: on its branch when it is the newest there, else on a new one.

    ``more``: with one more round, even if the model holds the picture to be complete.
    """
    return _go_on(room, owner, sid, room.store.tree.step(owner, sid, step), branch, again=again, more=more)


def stop(room: StudioState, owner: str, *, sid: str, run: str) -> dict:
    """Stops a run. What was finished stays."""
    found = room.store.runs.get(owner, run)
    if not room.worker.cancel(found.id) and not found.is_over:
        room.tell_run(sid, room.store.runs.set(owner, found.id, "cancelled"))
    return {}


def _texts(kind: str, fields: Mapping[str, str]) -> dict[str, str]:
    """The fields of a text step, checked; a plan needs what to do next, the others any words at all."""
    found = {name: checked_text(fields.get(name, ""), name) for name in TEXT_FIELDS[kind]}
    texts = {name: text if text.strip() else "" for name, text in found.items()}  # blanks ask for nothing
    needed = [texts["instruction"]] if kind == "plan" else texts.values()
    if not any(needed):
        raise RefusedError("There is no text to go on from. Write something, or discard the change.")
    return texts


def _nobody_else(
    room: StudioState, owner: str, sid: str, old: Step, known: list[str] | None, force: bool
) -> None:
    if force or known is None:
        return
    for other in room.store.tree.steps(owner, sid).values():
        if other.recipe.get("edited_from") == old.id and other.id not in known:
            raise Conflict(
                "This card was rewritten in another tab meanwhile; that version is in the tree. "
                "Your text is still here: save again to keep it as a branch of its own."
            )


def _fork(
    room: StudioState,
    owner: str,
    sid: str,
    old: Step,
    new: Step,
    name: str,
    run: bool,
    start: Step | None = None,
) -> dict:
    """A branch that ends with ``new``; with ``start``, that picture follows it there."""
    last = replaced(start, parent=new.id) if start else new
    path = [*_path(room, owner, sid, new.parent), new, *([last] if start else [])]
    how = _how(room, owner, sid, path) if run else None
    branches = room.store.tree.branches(owner, sid)
    branch = next((b for b in branches if b.tip == last.id), None)
    if branch is None:
        branch = room.store.tree.fork(owner, sid, new, name=branch_name((b.name for b in branches), name))
        if start:
            room.store.tree.add_step(owner, sid, last, branch.id)
            branch = room.store.tree.branch(owner, sid, branch.id)
    steps = room.store.tree.steps(owner, sid)
    saved = steps[branch.tip]
    shown = [steps[str(saved.parent)], saved] if start else [saved]
    made = tell_branch(
        room, owner, sid, branch, [step_view(step, steps, room.max_pictures) for step in shown]
    )
    if how:
        start_run(room, owner, sid, branch, how, urgent=True)
    return {"branch": branch.id, "step": saved.id, "made": made}


def begin_from(room: StudioState, owner: str, sid: str, start: Step, name: str) -> dict:
    """A new branch on a step that may be there already, and a run from it that repeats none before."""
    how = _how(room, owner, sid, [*_path(room, owner, sid, start.parent), start])
    taken = [branch.name for branch in room.store.tree.branches(owner, sid)]
    branch = room.store.tree.fork(owner, sid, start, name=branch_name(taken, name))
    steps = room.store.tree.steps(owner, sid)
    made = tell_branch(room, owner, sid, branch, [step_view(steps[start.id], steps, room.max_pictures)])
    start_run(room, owner, sid, branch, how, attempt=unused_attempt(steps, start, how), urgent=True)
    return {"branch": branch.id, "step": start.id, "made": made}


def _start_of(room: StudioState, owner: str, sid: str, branch: str | None) -> Step | None:
    """The picture that a branch starts from, if it does."""
    if branch is None:
        return None
    path = room.store.tree.trajectory(owner, sid, room.store.tree.branch(owner, sid, branch).tip)
    return path[1] if len(path) > 1 and path[1].is_start else None


def _how(room: StudioState, owner: str, sid: str, path: Sequence[Step], *, polish: bool = False) -> Settings:
    """The settings of a run from the end of ``path``. Refused when the model wasn't trained to work so."""
    session, _ = settings_of(room.store.sessions.get(owner, sid))
    settings = settings_after(path, session, polish=polish)
    must_be_offered(settings, room.worker.snapshot().protocols)
    return settings


def _path(room: StudioState, owner: str, sid: str, tip: str | None) -> list[Step]:
    return room.store.tree.trajectory(owner, sid, tip) if tip else []


def _go_on(
    room: StudioState,
    owner: str,
    sid: str,
    step: Step,
    branch: str | None,
    *,
    again: bool = False,
    more: bool = False,
) -> dict:
    """As :func:`run`. What a run that broke off was asked for is asked for again."""
    here = room.store.tree.branch(owner, sid, branch) if branch else None
    if here is None or here.tip != step.id:
        return _run_from(room, owner, sid, step)
    path = room.store.tree.trajectory(owner, sid, step.id)
    runs = [found for found in room.store.runs.list(owner, sid) if found.branch_id == here.id]
    polish = broke_off_polishing(room.store.sessions.get(owner, sid), runs, step)
    how = _how(room, owner, sid, path, polish=polish)
    attempt = failures(runs, path) if again else 0
    asked = broke_off_attempt(runs, step)
    if asked is not None:
        attempt = max(attempt, asked + again)
    more = more or broke_off_one_more(runs, step)
    start_run(room, owner, sid, here, how, attempt=attempt, more=more, urgent=True)
    return {"branch": here.id}


def _run_from(
    room: StudioState, owner: str, sid: str, step: Step, *, name: str | None = None, polish: bool = False
) -> dict:
    """Goes on from a card that others already go on from: with a seed these settings did not have there."""
    how = _how(room, owner, sid, room.store.tree.trajectory(owner, sid, step.id), polish=polish)
    attempt = unused_attempt(room.store.tree.steps(owner, sid), step, how)
    name = name or f"on from {NOUNS[step.kind]}"
    return _branch_and_run(room, owner, sid, step.id, name, how, attempt=attempt)


def _branch_and_run(
    room: StudioState, owner: str, sid: str, tip: str, name: str, how: Settings, **wishes: Any
) -> dict:
    taken = (b.name for b in room.store.tree.branches(owner, sid))
    branch = room.store.tree.create_branch(owner, sid, tip, branch_name(taken, name))
    made = tell_branch(room, owner, sid, branch)
    start_run(room, owner, sid, branch, how, urgent=True, **wishes)
    return {"branch": branch.id, "made": made}


def tell_branch(
    room: StudioState, owner: str, sid: str, branch: Branch, steps: Sequence[dict] = ()
) -> list[dict]:
    """Tells all tabs; what comes back goes into the reply, so that the tab that asked needn't wait.

    It keeps its number: a reply that comes after later news must not set the branch back.
    """
    settings, _ = settings_of(room.store.sessions.get(owner, sid))
    now = branch_view(branch, room.store.tree.steps(owner, sid), settings)
    event = {"branch": now, "steps": list(steps)}
    seq = room.log.append(sid, "branch", **event)
    room.tell_owner(owner)
    return [{"seq": seq, "kind": "branch", **event}]


def start_run(
    room: StudioState, owner: str, sid: str, branch: Branch, settings: Settings, **wishes: Any
) -> None:
    """Starts a run on a branch. Runs on the session's other branches stop: the person has moved on.

    ``wishes``: as of :class:`engine.serving.queue.Job`.
    """
    room.recorder.catch_up()
    under_way = [found for found in room.store.runs.list(owner, sid) if found.state in ("queued", "running")]
    if any(found.branch_id == branch.id for found in under_way):
        raise RefusedError("This branch is already being worked on. Stop it first, or wait until it pauses.")
    for found in under_way:
        room.recorder.reasons[found.id] = MOVED_ON
        if not room.worker.cancel(found.id):
            room.recorder.reasons.pop(found.id, None)
    room.start_run(owner, sid, branch.id, settings, **wishes)
