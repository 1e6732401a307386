"""Protocols with one part off or set otherwise: for an ablation, in place of the checkpoint's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.core.parts import ImagePart
from engine.core.reflection import REFLECTIONS
from engine.core.settings import Settings
from engine.core.trajectory import Step
from engine.lab.storybook.language.critique import CAUSES
from engine.protocols.base import Choose, Draw, Protocol, Stop, Write
from engine.protocols.process import Process

PASSED = "Fits so far."
"""What stands in place of a verdict that nobody is to hear."""


@dataclass(frozen=True)
class Inspectors(Process):
    """The process with only some inspectors heard: ``plan`` (against the prompt), ``sketch`` (against it).

    A verdict that finds a fault of the other cause is taken for one that finds none. A fault without a
    cause is the sketch's.
    """

    heard: tuple[str, ...] = ()

    def parse(self, kind: str, text: str) -> dict[str, str] | None:
        fields = super().parse(kind, text)
        if kind != "inspect" or not fields or not fields["correction"]:
            return fields
        return fields if cause_of(fields["verdict"]) in self.heard else {"verdict": PASSED, "correction": ""}


def cause_of(verdict: str) -> str:
    """Whose fault a verdict says it is: a key of ``CAUSES``."""
    said = (cause for cause, sayings in CAUSES.items() if any(words in verdict for words in sayings))
    return next(said, "sketch")


@dataclass(frozen=True)
class GuidanceScales(Protocol):
    """Another protocol, whose pictures after a picture are guided at these scales; the first is as ever.

    They are drawn as after a reflection, but for the ``scales`` (IRG's guidance, arXiv 2509.06945).
    """

    own: Protocol
    scales: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:  # type: ignore[override]  # the recipe's: that of the other protocol
        return self.own.name

    @property
    def driver(self) -> str:
        return self.own.driver

    @property
    def prompts(self) -> str:
        return self.own.prompts

    def next(
        self, trajectory: Sequence[Step], settings: Settings, chosen: str | None = None
    ) -> Write | Draw | Choose | Stop:
        ask = self.own.next(trajectory, settings, chosen)
        if isinstance(ask, Draw) and any(isinstance(part, ImagePart) for part in ask.parts):
            return replace(ask, preset={**REFLECTIONS[settings.reflection], **ask.preset, **self.scales})
        return ask

    def step_text(self, step: Step) -> str:
        return self.own.step_text(step)

    def parse(self, kind: str, text: str) -> dict[str, str] | None:
        return self.own.parse(kind, text)

    def repair(self, ask: Write, raw: str, reason: str) -> Write:
        return self.own.repair(ask, raw, reason)
