"""The commands that change a card: rewrite it, add one, put a picture in its place, start fresh from it.

Whatever changes a card makes a branch beside it; nothing is overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as replaced
from typing import Annotated, Any, Literal

from pydantic import Field

from engine.core.trajectory import IMAGE_KINDS, NOUNS, TEXT_FIELDS, Step
from sessions import Branch, Conflict
from studio.commands.messages import Fields, Id, InSession, RefusedError, Token, checked_text
from studio.commands.open_session import OpenSession
from studio.commands.protocol_choice import settings_for_run
from studio.commands.retries import unused_attempt
from studio.commands.runs import go_on, start_run
from studio.state import StudioState
from studio.text_diff import edit_name


class Edit(InSession):
    """Saves a rewritten card beside the old one, on a branch of its own, and runs on from it if wished.

    A prompt, rewritten or not, keeps the picture that ``branch`` starts from. ``known``: the versions of
    this card that the tab knew. When somebody rewrote it meanwhile, this is a conflict, and the tab may ask
    again with ``force``.
    """

    step: Id
    fields: Fields
    run: bool
    force: bool = False
    known: Annotated[list[Id], Field(max_length=10_000)] | None = None
    branch: Id | None = None


def edit(state: StudioState, owner: str, message: Edit) -> dict[str, Any]:
    here = OpenSession.read(state, owner, message.sid)
    old = here.step(message.step)
    if old.kind not in TEXT_FIELDS:
        raise RefusedError("This card holds a picture. Paint over it or replace it.")
    texts = _texts(old.kind, message.fields)
    start = _start_of(here, message.branch) if old.kind == "prompt" else None
    if texts == dict(old.fields):
        return go_on(here, start or old, message.branch) if message.run else {}
    recipe: dict[str, Any] = {"edited_from": old.id}
    if old.kind == "prompt":
        recipe["session_seed"] = here.session.seed
    new = Step(old.parent, old.kind, "person", texts, recipe=recipe)
    known = None if message.force else message.known
    return _fork(here, old, new, edit_name(old, texts), run=message.run, start=start, known=known)


class Add(InSession):
    """Adds a person's own text at the end of a branch. A branch that moved on meanwhile is a conflict."""

    branch: Id
    tip: Id
    kind: Literal["plan", "inspect", "think", "reflect"]
    fields: Fields
    run: bool


def add(state: StudioState, owner: str, message: Add) -> dict[str, Any]:
    here = OpenSession.read(state, owner, message.sid)
    new = Step(message.tip, message.kind, "person", _texts(message.kind, message.fields))
    path = [*here.path(message.tip), new]
    settings = settings_for_run(path, here.settings, state.model) if message.run else None
    with state.store.transaction():
        saved = state.store.tree.add_step(owner, here.sid, new, message.branch)
        branch = here.branch(message.branch)
    made = here.announce(branch, [saved.id])
    if settings:
        start_run(here, branch, settings)
    return {"branch": branch.id, "step": saved.id, "made": made}


class Replace(InSession):
    """Puts a person's picture in the place of a card's, on a branch of its own."""

    step: Id
    upload: Token
    run: bool


def replace(state: StudioState, owner: str, message: Replace) -> dict[str, Any]:
    here = OpenSession.read(state, owner, message.sid)
    old = here.step(message.step)
    if old.kind not in IMAGE_KINDS:
        raise RefusedError("Only a picture can be replaced by a picture.")
    whose, where, digest = state.tokens.read("upload", message.upload)
    if (whose, where) != (owner, here.sid):
        raise RefusedError("This picture was uploaded somewhere else. Choose it again.")
    recipe = {"edited_from": old.id, **({"start": "upload"} if old.is_start else {})}
    new = Step(old.parent, old.kind, "person", image=digest, recipe=recipe)
    return _fork(here, old, new, "my picture", run=message.run)


class FreshStart(InSession):
    """Goes on from a picture as if the session had begun with it, on a branch of its own."""

    step: Id


def fresh_start(state: StudioState, owner: str, message: FreshStart) -> dict[str, Any]:
    here = OpenSession.read(state, owner, message.sid)
    old = here.step(message.step)
    if old.image is None:
        raise RefusedError("Only a picture can be the beginning of a fresh start.")
    if old.is_start:
        raise RefusedError("This branch begins with this picture already. Continue, or run from the card.")
    path = here.path(old.id)
    start = Step(path[0].id, "image", "person", image=old.image, recipe={"start": old.id})
    settings = settings_for_run([path[0], start], here.settings, state.model)
    name = f"fresh from {_name_in(path)}"
    with state.store.transaction():
        branch = state.store.tree.fork(owner, here.sid, start, name=here.free_name(name))
    made = here.announce(branch, [start.id])
    start_run(here, branch, settings, attempt=unused_attempt(here.steps(), start, settings))
    return {"branch": branch.id, "step": start.id, "made": made}


def _texts(kind: str, fields: Mapping[Any, str]) -> dict[str, str]:
    """The fields of a text step, checked; a plan needs what to do next, the others any words at all."""
    found = {name: checked_text(fields.get(name, ""), name) for name in TEXT_FIELDS[kind]}
    texts = {name: text if text.strip() else "" for name, text in found.items()}  # blanks ask for nothing
    needed = [texts["instruction"]] if kind == "plan" else texts.values()
    if not any(needed):
        raise RefusedError("There is no text to go on from. Write something, or discard the change.")
    return texts


def _start_of(here: OpenSession, branch_id: str | None) -> Step | None:
    """The picture that a branch starts from, if it does."""
    if branch_id is None:
        return None
    path = here.path(here.branch(branch_id).tip)
    return path[1] if len(path) > 1 and path[1].is_start else None


def _name_in(path: Sequence[Step]) -> str:
    """ "sketch 2": the name of the last picture among its kind."""
    kind = path[-1].kind
    return f"{NOUNS[kind]} {sum(step.kind == kind for step in path)}"


def _fork(
    here: OpenSession,
    old: Step,
    new: Step,
    name: str,
    *,
    run: bool,
    start: Step | None = None,
    known: Sequence[str] | None = None,
) -> dict[str, Any]:
    """A branch that ends with ``new``, in the place of ``old``; with ``start``, that picture follows it.

    The same edit twice is one branch. Raises ``Conflict`` when ``old`` was rewritten into a step that isn't
    ``known``, unless that is None.
    """
    last = replaced(start, parent=new.id) if start else new
    path = [*here.path(new.parent), new, *([last] if start else [])]
    settings = settings_for_run(path, here.settings, here.state.model) if run else None
    with here.store.transaction():  # nobody rewrites the card between the look and the fork
        if known is not None:
            _must_know_rewrites(here, old, known)
        branch = next((found for found in here.branches() if found.tip == last.id), None)
        if branch is None:
            branch = _branch_with(here, new, last, here.free_name(name))
    made = here.announce(branch, [new.id, last.id] if start else [new.id])
    if settings:
        start_run(here, branch, settings)
    return {"branch": branch.id, "step": last.id, "made": made}


def _must_know_rewrites(here: OpenSession, old: Step, known: Sequence[str]) -> None:
    for other in here.steps().values():
        if other.recipe.get("edited_from") == old.id and other.id not in known:
            raise Conflict(
                "This card was rewritten in another tab meanwhile; that version is in the tree. "
                "Your text is still here: save again to keep it as a branch of its own."
            )


def _branch_with(here: OpenSession, new: Step, last: Step, name: str) -> Branch:
    """A new branch with a step that may follow one anywhere, and perhaps one more after it."""
    branch = here.store.tree.fork(here.owner, here.sid, new, name=name)
    if last is new:
        return branch
    here.store.tree.add_step(here.owner, here.sid, last, branch.id)
    return here.branch(branch.id)
