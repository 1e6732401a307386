"""Scripts of interleaving reasoning, and the six modes they are taken apart into.

Source: arXiv 2509.06945, learning modes. A script is told once and whole: prompt, thought, first picture,
reflection, better picture. A mode is a view of it: which parts it shows, in which order, and which of them
are learned. When to draw is the protocol's decision, so nothing here labels what follows. The weak first
picture is a model's own or a rough one; the better one is rendered.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, get_args

from engine.lab.storybook.language import sentences
from engine.lab.storybook.language.thoughts import reflection, thought
from engine.lab.storybook.scene.mistakes import sample_mistake
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.script import Painted, Part, Rough, Script, Shown, seen_in
from engine.lab.training.data.split import is_held_out, may_be_told, sample_training_scene
from engine.protocols.thoughts import prompt_text, thought_text
from engine.protocols.thoughts import reflection as written

Mode = Literal[
    "initial thinking understanding",
    "initial thinking generation",
    "initial full",
    "improving thinking understanding",
    "improving thinking generation",
    "improving full",
]
MODES: tuple[Mode, ...] = get_args(Mode)

HOW_TO_THINK = "How to think of this picture before painting it?"
HOW_TO_IMPROVE = "How to improve the first picture so that it becomes the second?"
QUESTIONS = (HOW_TO_THINK, HOW_TO_IMPROVE)

PROMPT, THOUGHT, WEAK, REFLECTION, BETTER = range(5)
"""Places of the parts in a whole script."""

MISTAKEN = 0.6
"""The share of rough pictures that also show something wrong; the others only want to be painted finely."""

OWN = 0.5
"""The share of weak pictures that are a model's own, where there are any."""


def irg_script(goal: Scene, weak: Shown, rng: random.Random) -> Script:
    """The whole script about ``goal``, whose first picture came out as ``weak``.

    Raises ``ValueError`` when the weak picture is a scene in which nothing is to be improved.
    """
    script = Script(protocol="irg")
    is_rough = not isinstance(weak, Scene)
    text = written(*reflection(seen_in(weak), goal, rng, is_rough=is_rough))
    script.say(prompt_text(sentences.prompt(goal, rng)), loss=False, follows=None)
    script.say(thought_text(thought(goal, rng)), loss=True, follows=None)
    script.show(weak, loss=False, follows=None)
    script.say(thought_text(text), loss=True, follows=None)
    script.show(goal, loss=True, follows=None)
    return script


def parts_of(mode: Mode, parts: Sequence[Part]) -> list[Part]:
    """What a mode shows of a whole script's parts."""
    prompt, thinking, weak, reflecting, better = parts
    shown = replace(better, loss=False)
    match mode:
        case "initial thinking understanding":
            return [prompt, shown, Part("text", HOW_TO_THINK), thinking]
        case "initial thinking generation":
            return [prompt, thinking]
        case "initial full":
            return [prompt, thinking, better]
        case "improving thinking understanding":
            return [prompt, weak, shown, Part("text", HOW_TO_IMPROVE), reflecting]
        case "improving thinking generation":
            return [prompt, replace(thinking, loss=False), weak, reflecting]
        case "improving full":
            return [prompt, replace(thinking, loss=False), weak, reflecting, better]


def text_free(mode: Mode, parts: Sequence[Part]) -> list[Part]:
    """A full mode's parts as the guidance branch without text has them.

    Nothing at all comes before the first picture, as published; only the reflection is missing before the
    better one.
    """
    if mode == "initial full":
        return [parts[-1]]
    return [*(replace(part, loss=False) for part in parts[:-2]), parts[-1]]


def image_free(parts: Sequence[Part]) -> list[Part]:
    """A full mode's parts as the guidance branch without pictures has them: all the words, unlearned."""
    return [*(replace(part, loss=False) for part in parts[:-1] if part.kind == "text"), parts[-1]]


def sample_irg_script(rng: random.Random, own: Sequence[tuple[Scene, Painted]] = ()) -> Script:
    """A whole script that shows no held-out scene; ``own`` are goals and a model's weak pictures of them."""
    weak: Shown
    while True:
        if own and rng.random() < OWN:
            goal, weak = rng.choice(own)
        else:
            goal = sample_training_scene(rng)
            weak = Rough(sample_mistake(goal, rng) if rng.random() < MISTAKEN else goal)
        script = irg_script(goal, weak, rng)
        if may_be_told(script):
            return script


def own_pictures(scripts: Sequence[Script]) -> Iterator[tuple[Scene, Painted]]:
    """What each picture that a model painted in these scripts should have become, and the picture.

    A sketch that was mended should have become the mended scene; one that was right, itself, only finer.
    """
    for script in scripts:
        for number, part in enumerate(script.parts):
            shown = script.scenes[part.scene] if part.kind == "image" else None
            if not isinstance(shown, Painted):
                continue
            goal = shown.seen
            if number + 2 < len(script.parts) and script.parts[number + 2].kind == "image":
                goal = seen_in(script.scenes[script.parts[number + 2].scene])
            if goal.things and not is_held_out(goal):
                yield goal, shown
