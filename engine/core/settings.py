"""What a person can set for a run, with the defaults the house recommends. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

QUALITIES = ("final", "draft")
MODES = ("auto", "pause_each", "pause_on_fault", "one_step")
MOST_TURNS = 4
"""More turns than this were never measured; IRG's own pictures get worse beyond two (arXiv 2509.06945)."""
MOST_PIXELS_A_SIDE = 4096
REFLECTIONS: Mapping[str, Mapping[str, Any]] = {
    "gentle": {"guidance": 2.0, "image_guidance": 2.0, "renorm": "text_channel", "interval_low": 0.0},
    "firm": {"guidance": 4.0, "image_guidance": 2.0, "renorm": "text_channel", "interval_low": 0.0},
}
"""How a picture is drawn after a reflection.

That is, how strongly the words are followed and how much of the picture before is kept. ``gentle`` are the
scales that the paper reports, ``firm`` those of its released script (arXiv 2509.06945).
"""
PUBLIC: Mapping[str, Any] = {
    "timesteps": 50,
    "guidance": 4.0,
    "interval_low": 0.4,
    "shift": 3.0,
    "max_tokens": 1000,
    "max_seconds": 3600.0,
    "keep_rejected": False,
}
"""What suits a checkpoint of the public release, which recommends no settings itself.

The defaults of its own scripts, no rejected sketches in its memory, and an hour for a run: its pictures may
take minutes each.
"""


@dataclass(frozen=True)
class Settings:
    """Settings of one run; they travel whole into every step's recipe.

    ``timesteps`` counts schedule points as the reference does: N points make N - 1 flow updates.
    ``guidance`` and ``image_guidance`` are the text and image scales of classifier-free guidance,
    active while ``lo < t <= hi`` of ``interval`` (t after the shift).
    ``quality`` "draft" draws in fewer updates and guesses two of three of the later ones; "final" is exact.
    ``turns`` counts the pictures of the irg protocol, the first one too; ``reflection`` names the scales
    at which it draws again (:data:`REFLECTIONS`).
    ``height`` and ``width`` are of the first picture, in pixels; None is the checkpoint's own size. Later
    pictures keep the size of the one before. ``keep_rejected``: sketches of earlier rounds that were
    drawn again stay in the model's memory (:mod:`engine.protocols.history`).
    The caps (``max_*``) end a run with a sentence, never silently.

    Raises ``ValueError`` naming the setting that is out of range.
    """

    protocol: str = "process"
    mode: str = "auto"
    timesteps: int = 25
    quality: str = "final"
    guidance: float = 2.5
    image_guidance: float = 1.0
    interval_low: float = 0.0
    interval_high: float = 1.0
    shift: float = 1.0
    renorm: str = "global"
    renorm_min: float = 0.0
    temperature: float = 0.0
    turns: int = 2
    reflection: str = "gentle"
    height: int | None = None
    width: int | None = None
    keep_rejected: bool = True
    max_rounds: int = 6
    max_images: int = 12
    max_tokens: int = 192
    max_seconds: float = 600.0

    def __post_init__(self) -> None:
        def need(ok: bool, name: str, wish: str) -> None:
            if not ok:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be {wish}")

        need(self.mode in MODES, "mode", f"one of {MODES}")
        need(2 <= self.timesteps <= 200, "timesteps", "between 2 and 200")
        need(self.quality in QUALITIES, "quality", f"one of {QUALITIES}")
        need(0 <= self.guidance <= 20, "guidance", "between 0 and 20")
        need(0 <= self.image_guidance <= 20, "image_guidance", "between 0 and 20")
        need(
            0 <= self.interval_low < self.interval_high <= 1,
            "interval_low",
            "below interval_high, both in [0, 1]",
        )
        need(0 < self.shift <= 20, "shift", "above 0, at most 20")
        need(
            self.renorm in ("global", "channel", "text_channel"), "renorm", "global, channel or text_channel"
        )
        need(0 <= self.renorm_min <= 1, "renorm_min", "between 0 and 1")
        need(0 <= self.temperature <= 2, "temperature", "between 0 and 2")
        need(self.reflection in REFLECTIONS, "reflection", f"one of {tuple(REFLECTIONS)}")
        need((self.height is None) == (self.width is None), "height", "given with width, or neither is")
        for name in ("height", "width"):
            side = getattr(self, name)
            fits = side is None or (type(side) is int and 0 < side <= MOST_PIXELS_A_SIDE and not side % 16)
            need(fits, name, f"a multiple of 16 up to {MOST_PIXELS_A_SIDE}")
        need(isinstance(self.keep_rejected, bool), "keep_rejected", "true or false")
        need(1 <= self.turns <= MOST_TURNS, "turns", f"between 1 and {MOST_TURNS}")
        need(1 <= self.max_rounds <= 20, "max_rounds", "between 1 and 20")
        need(1 <= self.max_images <= 50, "max_images", "between 1 and 50")
        need(8 <= self.max_tokens <= 4096, "max_tokens", "between 8 and 4096")
        need(1 <= self.max_seconds <= 86400, "max_seconds", "between 1 and 86400")

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of the first picture, if the person chose one."""
        return None if self.height is None or self.width is None else (self.height, self.width)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def with_preset(self, preset: Mapping[str, Any], usual: Settings) -> Settings:
        """These settings with ``preset`` where the person left the ``usual`` ones: a wish of theirs wins."""
        left = {name: value for name, value in preset.items() if getattr(self, name) == getattr(usual, name)}
        return replace(self, **left)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Reads saved settings; a name this version doesn't know raises ``ValueError``."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown settings: {unknown}; known: {sorted(known)}")
        return cls(**values)
