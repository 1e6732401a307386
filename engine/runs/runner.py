"""Runs a protocol on a model, one step at a time, and reports what happens as events.

It keeps nothing: a finished step is handed over in its event, pictures go through ``store_image``. Who
queues runs and who stores steps is another module's business (:mod:`engine.serving.worker`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.core.errors import CancelledError, GenerationError
from engine.core.events import (
    Event,
    RunCancelled,
    RunDone,
    StepFinished,
    StepStarted,
)
from engine.core.parts import ImagePart
from engine.core.trajectory import NOUNS, Step, step_seed
from engine.inference.events import Choice, Drawn, Reuse, Written
from engine.protocols.base import COMPLETE, Choose, Draw, ParseError, Protocol, Stop, Write
from engine.runs.failures import SAFE, MalformedTextError, failure
from engine.runs.limits import after_step, stopped_by

if TYPE_CHECKING:
    from PIL.Image import Image

    from engine.core.settings import Settings
    from engine.runs.opened_model import OpenedModel

REPAIR_TEMPERATURE = 0.7
"""A second try at a text is sampled at least this warm: greedy decoding would only repeat the first."""


def run_step(
    model: OpenedModel,
    protocol: Protocol,
    trajectory: Sequence[Step],
    settings: Settings,
    *,
    pixels: Callable[[str], Image],
    store_image: Callable[[Image], str],
    session_seed: int,
    attempt: int = 0,
    more: bool = False,
    cancel: threading.Event,
) -> Iterator[Event]:
    """Makes exactly one step after ``trajectory``, or finds that none follows.

    The last event is ``StepFinished``, ``StepFailed``, ``RunDone`` or ``RunCancelled``; no exception
    leaves it. ``cancel`` is looked at while the trajectory is read, after every token and flow update, and
    once more before a picture is kept, so that a cancelled step leaves nothing behind. ``attempt`` counts
    how often "again, with a new seed" was asked for. ``more``: the person asked for one more round, so the
    model isn't asked whether to end where it would be (budget forcing, as UniT has it).
    """
    current = _StepInProgress(
        model, protocol, trajectory, settings, pixels, session_seed, attempt, cancel, more
    )
    kind = "step"
    try:
        ask = current.ask()
        if isinstance(ask, Stop):
            sure = current.choice.probability if current.choice and ask.finished else None
            yield RunDone(ask.reason, ask.finished, probability=sure)
            return
        kind = ask.kind
        yield StepStarted(kind, len(trajectory))
        yield from current.write(ask) if isinstance(ask, Write) else current.draw(ask, store_image)
    except CancelledError:
        yield RunCancelled()
    except Exception as error:
        yield failure(kind, error)


def run_trajectory(
    model: OpenedModel,
    protocol: Protocol,
    trajectory: Sequence[Step],
    settings: Settings,
    *,
    pixels: Callable[[str], Image],
    store_image: Callable[[Image], str],
    session_seed: int,
    attempt: int = 0,
    cancel: threading.Event,
    steps_limit: int | None = None,
) -> Iterator[Event]:
    """A whole run, for a caller who has the model to itself. ``attempt`` counts for its first step."""
    path, made, seconds = list(trajectory), 0, 0.0
    while True:
        last: Event | None = None
        for last in run_step(
            model,
            protocol,
            path,
            settings,
            pixels=pixels,
            store_image=store_image,
            session_seed=session_seed,
            attempt=attempt if made == 0 else 0,
            cancel=cancel,
        ):
            yield last
        if not isinstance(last, StepFinished):
            return
        path.append(last.step)
        made, seconds = made + 1, seconds + last.step.result["seconds"]
        end = after_step(last.step, settings, steps_made=made, seconds=seconds, steps_limit=steps_limit)
        if end:
            yield end
            return


@dataclass
class _StepInProgress:
    """One step under way: everything that asking, writing and drawing share."""

    model: OpenedModel
    protocol: Protocol
    trajectory: Sequence[Step]
    settings: Settings
    pixels: Callable[[str], Image]
    session_seed: int
    attempt: int
    cancel: threading.Event
    more: bool = False
    choice: Choice | None = None
    reuse: Reuse = Reuse()
    result: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began, self.check = time.monotonic(), stopped_by(self.cancel)
        self.result = {"seconds": 0.0, **dict.fromkeys(("tokens", "updates", "forwards"), 0)}

    def ask(self) -> Write | Draw | Stop:
        """What follows; where the protocol leaves it to the model, the model is asked."""
        self.check()
        ask = self.protocol.next(self.trajectory, self.settings)
        if self.more:
            one_more = self.protocol.next(self.trajectory, self.settings, chosen="plan")
            self.more, ask = one_more != ask, one_more  # in the middle of a round it changes nothing
        if isinstance(ask, Choose):
            options = ask.options
            self.choice = self.model.painter.choose(
                ask.parts, pixels=self.pixels, options=frozenset(options), check=self.check
            )
            self.check()
            self.result["choice"] = {"token": self.choice.token, "probability": self.choice.probability}
            self.reuse = self.reuse.then(self.choice.reuse)
            ask = self.protocol.next(self.trajectory, self.settings, chosen=options[self.choice.token])
        if isinstance(ask, Choose):
            raise RuntimeError(f"the protocol {self.protocol.name!r} asked for a choice twice")
        return ask

    def write(self, ask: Write) -> Iterator[Event]:
        settings = self.settings
        if self.attempt:
            settings = settings.replace(temperature=max(settings.temperature, REPAIR_TEMPERATURE))
        seed = self._seed(ask.kind)
        raw = yield from self._decode(ask, settings, seed)
        try:
            fields = self._read(ask, raw)
        except ParseError as first:
            self.result["repaired"] = str(first)
            yield StepStarted(ask.kind, len(self.trajectory), repair=True)
            settings = settings.replace(temperature=max(settings.temperature, REPAIR_TEMPERATURE))
            seed = self._seed(f"{ask.kind} repair")
            raw = yield from self._decode(self.protocol.repair(ask, raw, str(first)), settings, seed)
            try:
                fields = self._read(ask, raw)
            except ParseError as second:
                raise MalformedTextError(ask.kind, str(second), raw) from second
        if fields is None:
            yield RunDone(COMPLETE, finished=True)
            return
        yield self._finished(ask.kind, settings, seed, fields=fields)

    def _read(self, ask: Write, raw: str) -> dict[str, str] | None:
        fields = self.protocol.parse(ask.kind, raw)
        if fields is None and not ask.may_end:
            # Shown to the model, so it stays as it is.
            why = "one more round is wished for" if self.more else "nothing is drawn yet"
            raise ParseError(f"it says that nothing is left to do, and {why}")
        return fields

    def _decode(self, ask: Write, settings: Settings, seed: int) -> Generator[Event, None, str]:
        pieces: list[str] = []
        with closing(
            self.model.painter.write(
                ask.parts,
                pixels=self.pixels,
                max_tokens=settings.max_tokens,
                temperature=settings.temperature,
                seed=seed,
                check=self.check,
            )
        ) as pieces_written:
            for piece in pieces_written:
                self.check()
                if isinstance(piece, Written):
                    self.result["tokens"] += piece.tokens
                    self.reuse = self.reuse.then(piece.reuse)
                    if piece.finish == "length":
                        self.result["cut"] = True
                elif piece.text:
                    pieces.append(piece.text)
                    yield piece
                    self.check()
        return "".join(pieces)

    def draw(self, ask: Draw, store_image: Callable[[Image], str]) -> Iterator[Event]:
        settings = self.settings
        if ask.preset:
            settings = settings.with_preset(ask.preset, self.model.settings)
        seed = self._seed(ask.kind)
        drawn: Drawn | None = None
        with closing(
            self.model.painter.draw(
                ask.parts,
                text_free=ask.text_free,
                image_free=ask.image_free,
                pixels=self.pixels,
                settings=settings,
                seed=seed,
                check=self.check,
                size=self._size(ask),
            )
        ) as updates:
            for update in updates:
                self.check()
                if isinstance(update, Drawn):
                    drawn = update
                else:
                    yield update
                    self.check()
        if drawn is None:
            raise GenerationError(f"The model ended the {NOUNS[ask.kind]} without a picture.")
        self.result["updates"], self.result["forwards"] = drawn.updates, drawn.forwards
        self.reuse = self.reuse.then(drawn.reuse)
        yield self._finished(ask.kind, settings, seed, image=store_image(drawn.image))

    def _size(self, ask: Draw) -> tuple[int, int] | None:
        """The size the person chose, for a picture that none is before; a later one keeps that one's."""
        size = self.settings.size
        if size is None or any(isinstance(part, ImagePart) for part in ask.parts):
            return None
        try:
            self.model.image_sizes.check(*size)
        except ValueError as error:
            raise GenerationError(
                f"The picture can't have the size that was chosen: {error}. {SAFE}",
                "Choose another size in the settings, then run again.",
            ) from error
        return size

    def _seed(self, kind: str) -> int:
        return step_seed(self.session_seed, len(self.trajectory), kind, self.attempt)

    def _finished(
        self,
        kind: str,
        settings: Settings,
        seed: int,
        *,
        fields: dict[str, str] | None = None,
        image: str | None = None,
    ) -> StepFinished:
        self.result |= {
            "seconds": round(time.monotonic() - self.began, 3),
            "reused_tokens": self.reuse.reused_tokens,
            "prefilled_tokens": self.reuse.prefilled_tokens,
            "saved_seconds": round(self.reuse.saved_seconds, 3),
        }
        recipe: dict[str, Any] = {
            "protocol": self.protocol.name,
            "driver": self.protocol.driver,
            "settings": settings.as_dict(),
            "seed": seed,
            "attempt": self.attempt,
            "fingerprint": self.model.fingerprint,
        }
        if self.more:
            recipe["wish"] = "one more round"
        if self.protocol.prompts:
            recipe["prompts"] = self.protocol.prompts
        chosen, used = self.settings.as_dict(), settings.as_dict()
        if image and (preset := sorted(name for name in chosen if chosen[name] != used[name])):
            recipe["preset"] = preset  # names of the settings that are the protocol's, not the person's
        parent = self.trajectory[-1].id
        return StepFinished(Step(parent, kind, "model", fields or {}, image, recipe, self.result))
