"""Short scripts about one wish of the artist: a critique of theirs, or a plan about what already stands.

A person who steers asks for what neither prompt nor plan says, so nothing but their words tells what to
draw. What came before is context and no target. Whole trajectories (``process``) have such wishes too,
but few of them.
"""

from __future__ import annotations

import random

from engine.lab.training.data.cases import begin
from engine.lab.training.data.changes import sample_change
from engine.lab.training.data.process import ARTIST_EDITS
from engine.lab.training.data.rounds import say_artist_critique, say_artist_plan, say_fine, say_plan
from engine.lab.training.data.script import Script
from engine.lab.training.data.split import may_be_told, sample_training_scene

CRITIQUES = 0.5
"""The share of wishes that are critiques."""


def artist_script(rng: random.Random) -> Script:
    """A script that shows no held-out scene."""
    while True:
        script = _told(rng)
        if script is not None and may_be_told(script):
            return script


def _told(rng: random.Random) -> Script | None:
    script, _, step = begin(sample_training_scene(rng), rng)
    now = step.after
    edit = sample_change(now, step.coming, range(len(now.things)), rng, ARTIST_EDITS)
    if edit is None:
        return None
    say_plan(script, step, rng, loss=False)
    script.show(now, loss=False, follows=None)
    if rng.random() < CRITIQUES:
        say_artist_critique(script, step, edit, rng)
    else:
        say_fine(script, step, rng, loss=False)
        say_artist_plan(script, now, edit, step.coming, rng)
    return script
