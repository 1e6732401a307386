"""One noised picture read after several contexts at once, as classifier-free guidance needs it.

A context that begins another one shares its buffers: its noised rows lie in front of them, those of the
longer context behind, and attention doesn't mind the order of what it reads. Noised rows are overwritten
by every pass and never reach a cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.checkpoints.tokenizer import SpecialTokens
from engine.inference.events import Check, no_check
from engine.inference.prefill import Context, checked, copy_context
from engine.model.attention import GuidanceAttention, KVSlot
from engine.model.bagel import Bagel
from engine.model.language import GEN, UND, ExpertRows


class GuidanceBatch:
    """A grid of latent tokens after each of some contexts; contexts may be equal or empty.

    Args:
        check: called between layers; may raise to end a pass.
        sequential_guidance: one context after the other instead of all in one pass. Slower on most
            machines, with the activations of one context only.
    """

    def __init__(
        self,
        model: Bagel,
        tokens: SpecialTokens,
        contexts: Sequence[Context],
        rows: int,
        columns: int,
        *,
        check: Check = no_check,
        sequential_guidance: bool = False,
    ) -> None:
        self.model, self.check, self.sequential_guidance = model, check, sequential_guidance
        device, n = model.device, rows * columns
        self._slots = allocate_slots(model, contexts, n + 2)
        self._ids = model.grid(rows, columns, model.config.latent_side).to(device)
        markers = torch.tensor([tokens.start_of_image, tokens.end_of_image], device=device)
        self._markers = model.embed_text(markers)
        ropes = torch.tensor([context.rope for context in contexts], device=device)
        expert_rows, none = model.language_model.expert_rows, self._markers[:0]
        self._und = [expert_rows(UND, self._markers, rope.expand(2)) for rope in ropes]
        self._gen = [expert_rows(GEN, none, rope.expand(n)) for rope in ropes]

    @torch.inference_mode()
    def states(
        self, x: Tensor, t: float | Tensor, only: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Latent tokens [n, C] at time t -> states of the markers [B, 2, D] and of the latents [B, n, D].

        They are those before the final norm. ``only`` gives the numbers of the contexts to run, B of them;
        None runs all.
        """
        time = torch.as_tensor(t, dtype=torch.float32, device=x.device).reshape(1)
        latents = self.model.embed_latents(x, time, self._ids).to(self._markers.dtype)
        wanted = list(range(len(self._slots)) if only is None else only)
        passes = [[number] for number in wanted] if self.sequential_guidance else [wanted]
        found = [self._pass(latents, numbers) for numbers in passes]
        return torch.cat([und for und, _ in found]), torch.cat([gen for _, gen in found])

    def _pass(self, latents: Tensor, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        language, count = self.model.language_model, len(numbers)
        groups = []
        for hidden, each in ((self._markers, self._und), (latents, self._gen)):
            own = [each[number] for number in numbers]
            cos, sin = torch.cat([rows.cos for rows in own]), torch.cat([rows.sin for rows in own])
            groups.append(ExpertRows(own[0].expert, hidden.repeat(count, 1), cos, sin))
        attend = GuidanceAttention([self._slots[number] for number in numbers])
        und, gen = language.blocks(groups, checked(attend, self.check, latents.device))
        return und.hidden.unflatten(0, (count, -1)), gen.hidden.unflatten(0, (count, -1))

    @torch.inference_mode()
    def velocity(self, states: Tensor) -> Tensor:
        """States of latents before the final norm [..., n, D] -> velocities [..., n, C], float32."""
        return self.model.velocity(self.model.language_model.norm(GEN, states)).float()


def allocate_slots(model: Bagel, contexts: Sequence[Context], room: int) -> list[KVSlot]:
    """Buffers with ``room`` for new rows beside every context, with as few copies of a past as can be.

    The rows in a slot see exactly its context and each other.
    """
    config = model.config.language
    slots: dict[int, KVSlot] = {}
    longest_first = sorted(range(len(contexts)), key=lambda i: -contexts[i].length)
    for i in longest_first:
        if i in slots:
            continue
        context = contexts[i]
        prefix = next(
            (j for j in longest_first if j != i and j not in slots and _is_prefix(contexts[j], context)), None
        )
        front = 0 if prefix is None else room
        shape = (config.num_layers, config.num_kv_heads, front + context.length + room, config.head_dim)
        keys, values = (torch.empty(shape, dtype=model.dtype, device=model.device) for _ in range(2))
        copy_context(context, keys, values, front)
        slots[i] = KVSlot(keys[:, :, front:], values[:, :, front:], context.length)
        if prefix is not None:
            end = room + contexts[prefix].length
            slots[prefix] = KVSlot(keys[:, :, :end], values[:, :, :end], 0)
    return [slots[i] for i in range(len(contexts))]


def _is_prefix(start: Context, whole: Context) -> bool:
    """Whether ``whole`` begins with all segments of ``start``."""
    keys = [[segment.key for segment in context.segments] for context in (start, whole)]
    return keys[0] == keys[1][: len(keys[0])]
