"""Scripts about one wish of the artist: what is said, what is learned, that nothing else changes."""

from __future__ import annotations

import random

from engine.lab.storybook.scene.differences import differences
from engine.lab.storybook.scene.scene import Scene
from engine.lab.training.data.artist_edits import artist_script
from engine.lab.training.data.split import is_held_out

SCRIPTS = [artist_script(random.Random(seed)) for seed in range(150)]


def test_the_wish_is_the_artist_s_and_its_picture_the_only_one_to_be_drawn() -> None:
    for script in SCRIPTS:
        (drawn,) = [n for n, part in enumerate(script.parts) if part.kind == "image" and part.loss]
        assert script.parts[drawn - 1].text.startswith("Artist: ") and not script.parts[drawn - 1].loss
        assert not any(part.loss for part in script.parts[:drawn])


def test_half_of_the_wishes_are_critiques() -> None:
    critiques = sum("<refine>" in part.text for script in SCRIPTS for part in script.parts)
    assert 50 < critiques < 100


def test_one_change_is_made_to_the_picture_before() -> None:
    for script in SCRIPTS:
        before, after = script.scenes[-2:]
        assert isinstance(before, Scene) and isinstance(after, Scene)
        assert len(differences(before, after)) == 1
        assert not is_held_out(before) and not is_held_out(after)
