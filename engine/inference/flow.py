"""Flow matching: draws latents by a schedule of updates, with guidance over up to three contexts.

x_t = (1-t)*x0 + t*noise and the network predicts noise - x0; time runs from 1 to 0. The caller brings the
noise; decoding and previews are the painter's.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checkpoints.tokenizer import SpecialTokens
from engine.inference.events import Check, no_check
from engine.inference.guidance_batch import GuidanceBatch
from engine.inference.prefill import Context
from engine.inference.taylor import TaylorPredictor, is_evaluated
from engine.model.bagel import Bagel

RENORMS = ("global", "channel", "text_channel")


@dataclass(frozen=True)
class Guidance:
    """Scales and renormalisation of classifier-free guidance; active while ``low < t <= high``."""

    text_scale: float = 1.0
    image_scale: float = 1.0
    low: float = 0.0
    high: float = 1.0
    renorm: str = "global"
    renorm_min: float = 0.0

    def __post_init__(self) -> None:
        if self.renorm not in RENORMS:
            raise ValueError(f"unknown renormalisation {self.renorm!r}; known: {', '.join(RENORMS)}")

    def active(self, t: Tensor) -> bool:
        """Whether the update from ``t`` (0-dim float32, so that bounds are rounded like it) is guided.

        Image guidance alone does nothing, as in the reference.
        """
        return self.text_scale > 1 and bool(t > self.low) and bool(t <= self.high)

    def combine(self, v: Tensor, text_free: Tensor, image_free: Tensor | None) -> Tensor:
        """Velocities [n, C] of the three contexts -> the guided one; ``image_free`` None leaves it out."""
        mixed = text_free + self.text_scale * (v - text_free)
        if self.renorm == "text_channel":
            mixed = mixed * self._shrink(v, mixed, per_token=True)
            return mixed if image_free is None else image_free + self.image_scale * (mixed - image_free)
        if image_free is not None:
            mixed = image_free + self.image_scale * (mixed - image_free)
        return mixed * self._shrink(v, mixed, per_token=self.renorm == "channel")

    def _shrink(self, v: Tensor, mixed: Tensor, *, per_token: bool) -> Tensor:
        dims = -1 if per_token else (-2, -1)
        norms = [torch.linalg.vector_norm(x, dim=dims, keepdim=True) for x in (v, mixed)]
        return (norms[0] / (norms[1] + 1e-8)).clamp(min=self.renorm_min, max=1.0)


def schedule(timesteps: int, shift: float) -> Tensor:
    """The flow times [N] of ``timesteps`` points, from 1 to 0, float32; N points make N - 1 updates."""
    u = torch.linspace(1, 0, timesteps)
    return shift * u / (1 + (shift - 1) * u)


@dataclass(frozen=True)
class Update:
    """The state after one update: ``x`` [n, C] at the new time, ``velocity`` that led there from ``t``.

    ``index`` counts from 1 to ``total``; ``forwards`` counts context passes so far.
    """

    index: int
    total: int
    x: Tensor
    velocity: Tensor
    t: float
    t_next: float
    forwards: int

    @property
    def estimate(self) -> Tensor:
        """The clean latents [n, C] that the flow is heading for, as far as can be told now."""
        return self.x - self.t_next * self.velocity


@torch.inference_mode()
def sample(
    model: Bagel,
    tokens: SpecialTokens,
    noise: Tensor,
    grid: tuple[int, int],
    condition: Context,
    *,
    text_free: Context,
    image_free: Context,
    guidance: Guidance,
    timesteps: int,
    shift: float,
    extrapolate: bool = False,
    check: Check = no_check,
    sequential_guidance: bool = False,
) -> Generator[Update]:
    """Flows ``noise`` [rows*columns, C] (float32) to latents, yielding after every update.

    Equal contexts share one pass: plain text-to-image never runs a third. ``extrapolate`` predicts many
    updates (:mod:`engine.inference.taylor`); ``sequential_guidance`` runs one context after the other. Stop
    iterating to cancel; ``check`` may raise to do so within an update. Raises ``ValueError`` when the image
    is larger than the model's position grid.
    """
    times = schedule(timesteps, shift)
    wanted = [condition, text_free] + ([image_free] if guidance.image_scale > 1 else [])
    if not any(guidance.active(t) for t in times[:-1]):
        wanted = [condition]
    unique = {context.key: context for context in wanted}
    number = {key: i for i, key in enumerate(unique)}
    batch = GuidanceBatch(
        model,
        tokens,
        list(unique.values()),
        *grid,
        check=check,
        sequential_guidance=sequential_guidance,
    )
    predictors = [TaylorPredictor() for _ in unique] if extrapolate else []
    x, forwards = noise.to(model.device, torch.float32), 0
    for i in range(timesteps - 1):
        guided = guidance.active(times[i])
        only = range(len(unique)) if guided else range(1)
        if predictors and not is_evaluated(i) and all(predictors[j] for j in only):
            states = torch.stack([predictors[j].predict(i) for j in only])
        else:
            _, states = batch.states(x, times[i], only)
            forwards += len(only)
            for predictor, state in zip(predictors, states, strict=False):
                predictor.add(i, state)
        found = batch.velocity(states)
        v = found[0]
        if guided:
            v, vt, *vi = (found[number[context.key]] for context in wanted)
            v = guidance.combine(v, vt, vi[0] if vi else None)
        x = x - v * (times[i] - times[i + 1]).item()
        yield Update(i + 1, timesteps - 1, x, v, times[i].item(), times[i + 1].item(), forwards)
