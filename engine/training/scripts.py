"""Writes the storybook lessons: whole trajectories as lists of parts, before any picture is rendered.

A script is what one session could have been: a prompt, plans, sketches (right or wrong), inspections,
refines, and now and then the artist stepping in. The scene graph behind it is exact, so every sentence is
true of its picture. Grammar: papers, process-driven generation (trajectory grammar, verdict wording); the
text forms are the protocol's own functions.

Pure: no torch, no pixels.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.protocols.process import inspect_text, plan_text, prompt_text
from engine.world import critique, language
from engine.world.edits import Add, Move, Recolour, Swap, apply, sample_edit
from engine.world.mistakes import sample_mistake
from engine.world.sampling import sample_scene
from engine.world.scene import Group, Relation, Scene

# How often a lesson holds what (fractions of rounds).
MISTAKEN_SKETCH = 0.16
CONFLICTING_PLAN = 0.06
ARTIST_PLAN = 0.16
ARTIST_REFINE = 0.06
ARTIST_AFTERWARDS = 0.12
MAX_ROUNDS = 3
ARTIST_REMARKS = ("Please change it.", "I want it another way.", "Not quite.", "Nearly.", "Change this.")


@dataclass(frozen=True)
class Part:
    """One segment. ``scene`` indexes the script's scenes for an image; ``follows`` is what the model should

    predict after the segment: "text", "image", "end" or None (no label). ``loss`` supervises the words of a
    text, or makes the image a flow target.
    """

    kind: str
    text: str = ""
    scene: int = -1
    loss: bool = False
    follows: str | None = None


@dataclass
class Script:
    """Parts in order, and the scenes its images show. The last scene is what the artist ends up wanting."""

    parts: list[Part] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)

    def say(self, text: str, *, loss: bool, follows: str) -> None:
        self.parts.append(Part("text", text=text, loss=loss, follows=follows))

    def show(self, scene: Scene, *, loss: bool, follows: str | None) -> None:
        if scene not in self.scenes:
            self.scenes.append(scene)
        self.parts.append(Part("image", scene=self.scenes.index(scene), loss=loss, follows=follows))


def direct_parts(prompt: str, scene: int) -> list[Part]:
    """The bare prompt, then the picture."""
    return [Part("text", prompt, follows="image"), Part("image", scene=scene, loss=True)]


def process_script(rng: random.Random) -> Script:
    """One whole Plan / Sketch / Inspect / Refine trajectory."""
    script, goal = Script(), sample_scene(rng)
    script.say(prompt_text(language.prompt(goal, rng)), loss=False, follows="text")
    waiting = split_into_rounds(goal.groups(), rng)
    now: Scene | None = None
    while waiting:
        now, waiting = play_round(script, goal, now, waiting, rng)
    if rng.random() < ARTIST_AFTERWARDS and now is not None:
        play_artist_plan(script, now, (), rng)
    return script


def split_into_rounds(groups: Sequence[Group], rng: random.Random) -> list[list[Group]]:
    """Background and the first things come first; the rest join one by one or in pairs."""
    order = list(groups)
    rng.shuffle(order)
    rounds = min(len(order), rng.choice((1, 2, 2, 3)), MAX_ROUNDS)
    cuts = sorted(rng.sample(range(1, len(order)), rounds - 1))
    return [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]


def play_round(
    script: Script, goal: Scene, now: Scene | None, waiting: list[list[Group]], rng: random.Random
) -> tuple[Scene, list[list[Group]]]:
    """Adds one round to ``script``; returns the scene that stands now and the rounds still to come."""
    if now is not None and rng.random() < ARTIST_PLAN / 2:
        return play_artist_plan(script, now, [g for r in waiting for g in r], rng), waiting
    coming, later = waiting[0], waiting[1:]
    pending = tuple(group for stage in later for group in stage)
    right = extend(goal, now, coming)
    if rng.random() < ARTIST_PLAN:
        # The artist rewrites the plan that was about to be carried out.
        right = vary(now, right, rng)
        script.say(plan_for(now, right, rng, author="person"), loss=False, follows="image")
    elif rng.random() < CONFLICTING_PLAN and (wrong := vary(now, right, rng)) != right:
        script.say(plan_for(now, wrong, rng), loss=False, follows="image")
        script.show(wrong, loss=True, follows="text")
        correct(script, wrong, right, pending, rng)
        return right, later
    else:
        script.say(plan_for(now, right, rng), loss=True, follows="image")
    if rng.random() < MISTAKEN_SKETCH:
        wrong = sample_mistake(right, rng, newest=newest(now, right))
        script.show(wrong, loss=False, follows="text")
        correct(script, wrong, right, pending, rng)
        return right, later
    script.show(right, loss=True, follows="text")
    edit = sample_edit(right, rng) if rng.random() < ARTIST_REFINE else None
    if edit is not None:
        changed = apply(right, edit)
        verdict, wish = rng.choice(ARTIST_REMARKS), language.instruct_edit(right, edit, changed, rng)
        script.say(inspect_text(verdict, wish, author="person"), loss=False, follows="image")
        script.show(changed, loss=True, follows=after(pending))
        return changed, later
    script.say(inspect_text(critique.critique_ok(right, pending, rng)), loss=True, follows=after(pending))
    return right, later


def correct(script: Script, wrong: Scene, right: Scene, pending: Sequence[Group], rng: random.Random) -> None:
    """The inspection that finds the fault, and the refine that mends it."""
    verdict, wish = critique.critique_wrong(wrong, right, pending, rng)
    script.say(inspect_text(verdict, wish), loss=True, follows="image")
    script.show(right, loss=True, follows=after(pending))


def play_artist_plan(script: Script, now: Scene, pending: Sequence[Group], rng: random.Random) -> Scene:
    """The artist writes a plan of their own about what already stands."""
    edit = sample_edit(now, rng)
    if edit is None:
        return now
    changed = apply(now, edit)
    instruction = language.instruct_edit(now, edit, changed, rng)
    script.say(plan_text(instruction, language.describe(changed, rng), "person"), loss=False, follows="image")
    script.show(changed, loss=True, follows="text")
    script.say(inspect_text(critique.critique_ok(changed, pending, rng)), loss=True, follows=after(pending))
    return changed


def plan_for(now: Scene | None, target: Scene, rng: random.Random, author: str = "model") -> str:
    """The plan that leads from ``now`` to ``target``, where ``target`` begins with the things of ``now``."""
    if now is None:
        instruction = language.instruct_start(target, rng)
    else:
        instruction = language.instruct_edit(now, Add(target.things[len(now.things) :]), target, rng)
    return plan_text(instruction, language.describe(target, rng), author)


def extend(goal: Scene, now: Scene | None, coming: Sequence[Group]) -> Scene:
    """``now`` (or the bare place) with the coming groups of ``goal``, and the relations true by then."""
    standing = now.things if now else ()
    things = standing + tuple(goal.things[i] for group in coming for i in group.indices)
    place = {thing: index for index, thing in enumerate(things)}
    relations = []
    for relation in goal.relations:
        subject, other = goal.things[relation.subject], goal.things[relation.object]
        if subject in place and other in place:
            relations.append(Relation(place[subject], relation.name, place[other]))
    return Scene(now.background if now else goal.background, things, tuple(relations))


def vary(now: Scene | None, target: Scene, rng: random.Random) -> Scene:
    """``target`` with one change among its new things, as a person rewriting the plan would make."""
    first = len(now.things) if now else 0
    for _ in range(8):
        edit = sample_edit(target, rng, kinds=("recolour", "swap", "move", "add"))
        if isinstance(edit, Move) and edit.index >= first:
            return apply(target, edit)
        if isinstance(edit, Recolour | Swap) and min(edit.indices) >= first:
            return apply(target, edit)
        if isinstance(edit, Add):
            return apply(target, edit)
    return target


def newest(now: Scene | None, target: Scene) -> range:
    """Indices of the things ``target`` adds to ``now``."""
    return range(len(now.things) if now else 0, len(target.things))


def after(pending: Sequence[Group]) -> str:
    return "text" if pending else "end"
