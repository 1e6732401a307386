"""Lessons of interleaving reasoning, in the six modes it is taken apart into: think, draw, reflect, redraw.

Papers, IRGL learning modes: which parts a mode shows, in which order, and which of them are learned. When to
draw is the protocol's decision, so nothing here labels what follows. The weak first picture is a model's own
(or a corrupted scene), the better one is rendered.
"""

from __future__ import annotations

import random
from typing import Literal, get_args

from engine.protocols.thoughts import prompt_text, thought_text
from engine.protocols.thoughts import reflection as written
from engine.training.data.script import Script, Shown, seen_in
from engine.world import language
from engine.world.scene import Scene
from engine.world.thoughts import reflection, thought

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


def irg_script(mode: Mode, goal: Scene, weak: Shown, rng: random.Random) -> Script:
    """The lesson of a mode about ``goal``, whose first picture came out as ``weak`` (the improving modes).

    Raises ``ValueError`` when the weak picture is a scene in which nothing is to be improved.
    """
    script = Script()
    script.say(prompt_text(language.prompt(goal, rng)), loss=False, follows=None)
    if mode.startswith("initial"):
        if mode == "initial thinking understanding":
            script.show(goal, loss=False, follows=None)
            script.say(HOW_TO_THINK, loss=False, follows=None)
        script.say(thought_text(thought(goal, rng)), loss=True, follows=None)
        if mode == "initial full":
            script.show(goal, loss=True, follows=None)
        return script
    if mode == "improving thinking understanding":
        script.show(weak, loss=False, follows=None)
        script.show(goal, loss=False, follows=None)
        script.say(HOW_TO_IMPROVE, loss=False, follows=None)
    else:
        script.say(thought_text(thought(goal, rng)), loss=False, follows=None)
        script.show(weak, loss=False, follows=None)
    is_rough = not isinstance(weak, Scene)
    text = written(*reflection(seen_in(weak), goal, rng, is_rough=is_rough))
    script.say(thought_text(text), loss=True, follows=None)
    if mode == "improving full":
        script.show(goal, loss=True, follows=None)
    return script
