"""A script: texts and pictures in order, with what is a target and what may follow.

The modules beside this one write them. A script whose pictures are rendered and encoded is in a shard
(``engine.lab.training.shards``); the stretch of it that a batch is packed with is a sample (``samples``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from engine.lab.storybook.scene.scene import Scene


@dataclass(frozen=True)
class Painted:
    """A picture that a model painted: the name it is kept under, and what the judge sees in it."""

    name: str
    seen: Scene


@dataclass(frozen=True)
class Rough:
    """A scene rendered and then made soft, as a weak model would paint it."""

    seen: Scene


Shown = Scene | Painted | Rough
"""What a picture is made from: a scene to be rendered, or a picture that is there already."""


def seen_in(shown: Shown) -> Scene:
    """What a picture shows."""
    return shown if isinstance(shown, Scene) else shown.seen


@dataclass(frozen=True)
class Part:
    """A text or an image. ``scene`` indexes the script's scenes for an image.

    ``follows`` is what the model should predict after the part: "text", "image", "end" or None (no
    label). ``loss`` supervises the words of a text, or makes the image a flow target. ``rejected``: the
    next inspection finds the fault in this picture.
    """

    kind: str
    text: str = ""
    scene: int = -1
    loss: bool = False
    follows: str | None = None
    rejected: bool = False


@dataclass
class Script:
    """Parts in order, and what its images show. The last image is what the artist ends up wanting.

    ``protocol`` is the grammar it follows. ``tally`` counts what happens in it (edits by name,
    positive and negative inspections), for the report.
    """

    parts: list[Part] = field(default_factory=list)
    scenes: list[Shown] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    protocol: str = "process"

    def say(self, text: str, *, loss: bool, follows: str | None) -> None:
        self.parts.append(Part("text", text=text, loss=loss, follows=follows))

    def show(self, shown: Shown, *, loss: bool, follows: str | None, rejected: bool = False) -> None:
        if shown not in self.scenes:
            self.scenes.append(shown)
        self.parts.append(
            Part("image", scene=self.scenes.index(shown), loss=loss, follows=follows, rejected=rejected)
        )

    @property
    def images(self) -> int:
        """How many pictures the script holds, shown twice or not."""
        return sum(part.kind == "image" for part in self.parts)


def direct_parts(prompt: str, scene: int) -> list[Part]:
    """The bare prompt, then the picture."""
    return [Part("text", prompt, follows="image"), Part("image", scene=scene, loss=True)]
