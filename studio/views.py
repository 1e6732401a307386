"""What a tab is told: steps, branches, runs and the model as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.core.image_sizes import ImageSizes
from engine.core.settings import Settings
from engine.core.trajectory import Step, path_to, round_numbers
from engine.protocols.base import COMPLETE
from engine.protocols.history import pictures_in_history
from engine.serving.contract import Snapshot
from engine.serving.queue import QueuePosition
from sessions import Branch, Note, Run, Session, Summary
from studio import facts
from studio.text_diff import marks, step_change

View = dict[str, Any]


def settings_of(session: Session) -> tuple[Settings, int]:
    """A session's settings, and the seed for what is drawn from now on (kept beside them)."""
    usual = Settings().as_dict()
    known = {name: value for name, value in session.settings.items() if name in usual}
    try:
        settings = Settings.from_dict({**usual, **known})
    except (
        TypeError,
        ValueError,
    ):  # a session from elsewhere must open all the same
        settings = Settings()
    seed = session.settings.get("seed", session.seed)
    return settings, seed if isinstance(seed, int) else session.seed


def step_view(step: Step, steps: Mapping[str, Step], max_pictures: int) -> View:
    """Seeds have more digits than JavaScript's numbers hold, so they travel as text.

    ``steps`` are the session's, this one among them; ``max_pictures`` the model is shown at once.
    """
    result, recipe, path = step.result, step.recipe, path_to(steps, step.id)
    view: View = {
        "id": step.id,
        "parent": step.parent,
        "kind": step.kind,
        "author": step.author,
        "fields": dict(step.fields),
        "image": step.image,
        "seed": str(recipe["seed"]) if "seed" in recipe else None,
        "attempt": recipe.get("attempt", 0),
        "wish": recipe.get("wish"),
        "edited_from": recipe.get("edited_from"),
        "seconds": result.get("seconds"),
        "reused": result.get("reused_tokens"),
        "read": result.get("prefilled_tokens"),
        "cut": bool(result.get("cut")),
        "saved": result.get("saved_seconds"),
        "draft": bool(step.image) and recipe.get("settings", {}).get("quality") == "draft",
        "repaired": result.get("repaired"),
        "start": recipe.get("start"),
        "round": round_numbers(path)[-1],
        "history": history_view(path, max_pictures),
    }
    old = steps.get(str(recipe.get("edited_from")))
    if old and old.kind == step.kind and step.fields:
        view["marks"] = {name: marks(old.fields[name], text) for name, text in step.fields.items()}
        view["was"] = view["was_thing"] = step_change(old, step)[0]
    return view


def history_view(path: Sequence[Step], max_pictures: int) -> View:
    """How many pictures the model is shown after a step: with rejected sketches, and without."""
    return {
        "all": pictures_in_history(path, most=max_pictures),
        "accepted": pictures_in_history(path, keep_rejected=False, most=max_pictures),
    }


def note_view(note: Note, said: str = "") -> View:
    """A question and its answer; ``said`` is what there is of an answer that is being written."""
    return {
        "id": note.id,
        "step": note.step_id,
        "question": note.question,
        "answer": note.answer or said,
        "state": note.state,
        "cause": note.cause,
        "next_action": note.next_action,
        "seconds": note.result.get("seconds"),
    }


def image_sizes_view(sizes: ImageSizes | None) -> View | None:
    """The sizes to choose from, (height, width) each; None when there is nothing to choose."""
    if sizes is None or sizes.is_fixed:
        return None
    return {"shapes": [list(s) for s in sizes.offered()], "unit": sizes.unit, "largest": sizes.largest}


def branch_view(branch: Branch, steps: Mapping[str, Step], settings: Settings) -> View:
    """A branch and what may come next on it, in its session's protocol."""
    path = path_to(steps, branch.tip)
    return {
        "id": branch.id,
        "name": branch.name,
        "tip": branch.tip,
        "next_text": facts.next_text(settings.protocol, path),
        "drawn": facts.is_drawn(settings, path),
        "may_continue": facts.may_continue(settings.protocol, path),
        "finished_picture": facts.finished_picture(path),
    }


def run_view(run: Run) -> View:
    return {
        "id": run.id,
        "branch": run.branch_id,
        "state": run.state,
        "after": run.settings.get("after"),
        "complete": run.state == "done" and run.cause == COMPLETE,
        "cause": run.cause,
        "next_action": run.next_action,
        "raw": run.raw,
    }


def summary_view(summary: Summary) -> View:
    return {
        "id": summary.id,
        "title": summary.title,
        "updated": summary.updated_at.isoformat(),
        "branches": summary.branch_count,
        "thumbnail": summary.thumbnail,
    }


def queue_position_view(place: QueuePosition) -> View:
    return {
        "run_id": place.run_id,
        "position": place.position,
        "kind": place.kind,
        "wait_seconds": place.wait_seconds,
        "step_seconds": place.step_seconds,
    }


def worker_view(snapshot: Snapshot) -> View:
    return {
        "state": snapshot.state,
        "loaded": snapshot.loaded,
        "title": snapshot.title,
        "about": snapshot.about,
        "cause": snapshot.cause,
        "next_action": snapshot.next_action,
        "paces": paces(snapshot.step_seconds),
    }


PACES = {
    "process": ("plan", "sketch", "inspect"),
    "direct": ("image",),
    "think": ("think", "image"),
    "irg": ("think", "image"),
}
"""The steps of a round, or of the first picture where a way of working has no rounds."""


def paces(step_seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds of a round or a picture as measured, by way of working; without those that were not yet."""
    return {
        way: sum(step_seconds[kind] for kind in kinds)
        for way, kinds in PACES.items()
        if step_seconds.keys() >= set(kinds)
    }
