"""A stream of everything the world can say, for training a tokenizer."""

from __future__ import annotations

import random
from collections.abc import Iterator

from engine.lab.storybook.language.critique import critique_ok, critique_wrong
from engine.lab.storybook.language.sentences import describe, instruct_edit, instruct_start, prompt
from engine.lab.storybook.scene.differences import pending_groups
from engine.lab.storybook.scene.edits import EDIT_KINDS, apply, sample_edit
from engine.lab.storybook.scene.mistakes import sample_mistake
from engine.lab.storybook.scene.sampling import sample_scene


def corpus(n: int, seed: int) -> Iterator[str]:
    """``n`` texts: prompts, descriptions, instructions, verdicts and corrections in turn."""
    rng = random.Random(seed)
    made = 0
    while made < n:
        for text in _texts(rng):
            if made < n:
                yield text
                made += 1


def _texts(rng: random.Random) -> Iterator[str]:
    whole = sample_scene(rng)
    groups = whole.groups()
    now = whole.subset(i for g in groups[: rng.randint(1, len(groups))] for i in g.indices)
    yield prompt(whole, rng)
    yield describe(now, rng)
    yield instruct_start(now, rng)
    edit = sample_edit(now, rng, EDIT_KINDS)
    if edit is not None:
        yield instruct_edit(now, edit, apply(now, edit), rng)
    pending = pending_groups(now, whole)
    yield critique_ok(now, pending, rng)
    yield from critique_wrong(sample_mistake(now, rng), now, pending, rng)
