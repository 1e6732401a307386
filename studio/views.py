"""What a tab is told of steps, branches, runs and the model, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.core.image_sizes import ImageSizes
from engine.core.settings import Settings
from engine.core.trajectory import TEXT_FIELDS, Step, path_to, round_numbers
from engine.protocols.base import MODEL_ENDED
from engine.protocols.facts import protocol_facts, round_seconds, trajectory_facts
from engine.protocols.history import pictures_in_history
from engine.serving.contract import Snapshot
from engine.serving.queue import QueuePosition
from sessions import Branch, Note, Run, Session, Summary
from studio.text_diff import marks, step_change

View = dict[str, Any]


def settings_of(session: Session) -> tuple[Settings, int]:
    """A session's settings, and the seed for what is drawn from now on (kept beside them)."""
    usual = Settings().as_dict()
    known = {name: value for name, value in session.settings.items() if name in usual}
    try:
        settings = Settings.from_dict({**usual, **known})
    except (TypeError, ValueError):  # a session from elsewhere must open all the same
        settings = _what_fits(known)
    seed = session.settings.get("seed", session.seed)
    return settings, seed if isinstance(seed, int) else session.seed


def _what_fits(known: Mapping[str, Any]) -> Settings:
    """The usual settings with those of ``known`` that can be used; a whole number may come as 25.0."""
    settings = Settings()
    for name, value in known.items():
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        for candidate in (value, whole):
            try:
                settings = settings.replace(**{name: candidate})
                break
            except (TypeError, ValueError):
                continue
    return settings


def step_view(step: Step, steps: Mapping[str, Step], max_pictures: int) -> View:
    """A step of a session whose ``steps`` are these. ``max_pictures`` the model is shown at once.

    Seeds have more digits than JavaScript's numbers hold, so they travel as text.
    """
    result, recipe, path = step.result, step.recipe, path_to(steps, step.id)
    view: View = {
        "id": step.id,
        "parent": step.parent,
        "kind": step.kind,
        "author": step.author,
        "fields": dict(step.fields),
        "image": step.image,
        "round": round_numbers(path)[-1],
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
        "history": history_view(path, max_pictures),
    }
    old = steps.get(str(recipe.get("edited_from")))
    if old and old.kind == step.kind and step.fields:
        view["marks"] = {name: marks(old.fields[name], text) for name, text in step.fields.items()}
        view["was"] = step_change(old, step)[0]
    return view


def history_view(path: Sequence[Step], max_pictures: int) -> View:
    """How many pictures the model is shown after a step: with rejected sketches, and without."""
    return {
        "all": pictures_in_history(path, most=max_pictures),
        "accepted": pictures_in_history(path, keep_rejected=False, most=max_pictures),
    }


def next_round(path: Sequence[Step], kind: str) -> int:
    """The round that a step of this kind will belong to after the last one of ``path``."""
    fields = dict.fromkeys(TEXT_FIELDS.get(kind, ()), "")
    coming = Step(path[-1].id, kind, "model", fields, None if fields else "not drawn yet")
    return round_numbers([*path, coming])[-1]


def branch_view(branch: Branch, steps: Mapping[str, Step], settings: Settings) -> View:
    """A branch and what may come next on it, by the settings of its session."""
    facts = trajectory_facts(path_to(steps, branch.tip), settings)
    return {
        "id": branch.id,
        "name": branch.name,
        "tip": branch.tip,
        "next_text": facts.next_text,
        "drawn": facts.nothing_to_add,
        "may_continue": facts.may_continue,
        "finished_picture": facts.finished_picture,
    }


def run_view(run: Run) -> View:
    """A run: ``complete`` when the model itself ended it."""
    return {
        "id": run.id,
        "branch": run.branch_id,
        "state": run.state,
        "after": run.settings.get("after"),
        "complete": run.state == "done" and run.cause in MODEL_ENDED,
        "cause": run.cause,
        "next_action": run.next_action,
        "raw": run.raw,
    }


def note_view(note: Note, written: str = "") -> View:
    """A question and its answer; ``written`` is what there is of an answer that is being written."""
    return {
        "id": note.id,
        "step": note.step_id,
        "question": note.question,
        "answer": note.answer or written,
        "state": note.state,
        "cause": note.cause,
        "next_action": note.next_action,
        "seconds": note.result.get("seconds"),
    }


def summary_view(summary: Summary) -> View:
    """A line of the list of sessions."""
    return {
        "id": summary.id,
        "title": summary.title,
        "updated": summary.updated_at.isoformat(),
        "branches": summary.branch_count,
        "thumbnail": summary.thumbnail,
    }


def queue_position_view(position: QueuePosition) -> View:
    """Where a run or a question stands in the queue."""
    return {
        "run_id": position.job_id,
        "position": position.position,
        "kind": position.kind,
        "wait_seconds": position.wait_seconds,
        "step_seconds": position.step_seconds,
    }


def worker_view(snapshot: Snapshot) -> View:
    """The model: how much of it is there, what it is, and the seconds of a round by protocol."""
    model = snapshot.model
    return {
        "state": snapshot.state,
        "loaded": snapshot.loaded,
        "title": model.title if model else "",
        "about": model.about if model else "",
        "cause": snapshot.cause,
        "next_action": snapshot.next_action,
        "paces": round_seconds(snapshot.step_seconds),
    }


def protocol_view(name: str) -> View:
    """What a person must know of a protocol to choose it."""
    facts = protocol_facts(name)
    return {
        "name": facts.name,
        "title": facts.title,
        "sentence": facts.sentence,
        "has_rounds": facts.has_rounds,
        "reflects": facts.reflects,
        "starts_from_picture": facts.starts_from_picture,
    }


def image_sizes_view(sizes: ImageSizes | None) -> View | None:
    """The sizes to choose from, (height, width) each; None when there is nothing to choose."""
    if sizes is None or sizes.is_fixed:
        return None
    return {"shapes": [list(s) for s in sizes.offered()], "unit": sizes.unit, "largest": sizes.largest}
