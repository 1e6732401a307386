"""The same noised picture read after several contexts at once: the branches of guidance.

A context that begins another one is stored inside it, once: its noised rows lie in front, those of the
longer context behind, and attention doesn't mind the order of what it reads. Noised rows are written
over at every pass and never reach a cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.checkpoints.tokenizer import SpecialTokens
from engine.inference.events import Check, go_on
from engine.inference.prefill import Context, checked, copy_context
from engine.model.attention import GuidanceAttention, KVSlot
from engine.model.bagel import Bagel
from engine.model.language import GEN, UND


class GuidanceBatch:
    """A grid of latent tokens after each of some contexts; contexts may be equal or empty.

    Args:
        check: called between layers; may raise to end a pass.
        in_turn: one branch after the other instead of all in one pass: slower on most machines, and
            needs the memory of one.
    """

    def __init__(
        self,
        model: Bagel,
        tokens: SpecialTokens,
        contexts: Sequence[Context],
        rows: int,
        columns: int,
        *,
        check: Check = go_on,
        in_turn: bool = False,
    ) -> None:
        self.model, self.check, self.in_turn = model, check, in_turn
        device, n = model.device, rows * columns
        self._places = arrange(model, contexts, n + 2)
        self._ids = model.grid(rows, columns, model.config.latent_side).to(device)
        ends = torch.tensor([tokens.start_of_image, tokens.end_of_image], device=device)
        self._markers = model.embed_text(ends)
        ropes = torch.tensor([context.rope for context in contexts], device=device)
        group = model.language_model.group
        none = self._markers[:0]
        self._und = [group(UND, self._markers, rope.expand(2)) for rope in ropes]
        self._gen = [group(GEN, none, rope.expand(n)) for rope in ropes]

    @torch.inference_mode()
    def states(
        self, x: Tensor, t: float | Tensor, only: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Latent tokens [n, C] at time t -> states of the markers [B, 2, D] and of the latents [B, n, D].

        They are those before the final norm. ``only`` names the branches to run, B of them; None runs all.
        """
        time = torch.as_tensor(t, dtype=torch.float32, device=x.device).reshape(1)
        latents = self.model.embed_latents(x, time, self._ids).to(self._markers.dtype)
        wanted = range(len(self._places)) if only is None else only
        passes = [[branch] for branch in wanted] if self.in_turn else [list(wanted)]
        found = [self._pass(latents, branches) for branches in passes]
        return torch.cat([und for und, _ in found]), torch.cat([gen for _, gen in found])

    def _pass(self, latents: Tensor, branches: Sequence[int]) -> tuple[Tensor, Tensor]:
        language, count = self.model.language_model, len(branches)
        groups = []
        for rows, each in ((self._markers, self._und), (latents, self._gen)):
            mine = [each[branch] for branch in branches]
            turns = (torch.cat([getattr(group, part) for group in mine]) for part in ("cos", "sin"))
            groups.append(type(mine[0])(mine[0].expert, rows.repeat(count, 1), *turns))
        attend = GuidanceAttention([self._places[branch] for branch in branches])
        und, gen = language.blocks(groups, checked(attend, self.check, latents.device))
        return und.hidden.unflatten(0, (count, -1)), gen.hidden.unflatten(0, (count, -1))

    @torch.inference_mode()
    def velocity(self, states: Tensor) -> Tensor:
        """States of latents before the final norm [..., n, D] -> velocities [..., n, C], float32."""
        return self.model.velocity(self.model.language_model.norm(GEN, states)).float()


def arrange(model: Bagel, contexts: Sequence[Context], room: int) -> list[KVSlot]:
    """Buffers for ``room`` new rows behind (or before) every context, as few copies of a past as can be.

    Each place sees exactly its context and its own new rows.
    """
    config = model.config.language
    places: dict[int, KVSlot] = {}
    longest_first = sorted(range(len(contexts)), key=lambda i: -contexts[i].length)
    for i in longest_first:
        if i in places:
            continue
        context = contexts[i]
        guest = next(
            (j for j in longest_first if j != i and j not in places and _begins(contexts[j], context)), None
        )
        front = 0 if guest is None else room
        shape = (config.num_layers, config.num_kv_heads, front + context.length + room, config.head_dim)
        keys, values = (torch.empty(shape, dtype=model.dtype, device=model.device) for _ in range(2))
        copy_context(context, keys, values, front)
        places[i] = KVSlot(keys[:, :, front:], values[:, :, front:], context.length)
        if guest is not None:
            end = room + contexts[guest].length
            places[guest] = KVSlot(keys[:, :, :end], values[:, :, :end], 0)
    return [places[i] for i in range(len(contexts))]


def _begins(start: Context, whole: Context) -> bool:
    """Whether ``whole`` goes on from ``start``, segment by segment."""
    keys = [[segment.key for segment in context.segments] for context in (start, whole)]
    return keys[0] == keys[1][: len(keys[0])]
