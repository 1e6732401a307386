"""Cases of reading and writing: text, understanding, and the cache of a picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from engine.inference.prefill import Context, ContextItem, Segment, prefill
from engine.lab.parity.fixture import Fixture, Written
from engine.lab.parity.golden import HIDDEN, Fields, Golden

GAP = 2 * HIDDEN
T = TypeVar("T")


def check_written(golden: Golden, name: str, fields: Fields, written: Written) -> None:
    """Ids, text, margins and the way a recorded greedy text ended."""
    golden.equal(f"{name} ids", written.ids, fields["generated_ids_incl_bos"])
    golden.equal(f"{name} text", written.text, fields["text"])
    golden.close(f"{name} gaps", written.gaps, GAP, torch.tensor(fields["top2_gaps"]))
    if "stopped_on_eos" in fields:
        golden.equal(f"{name} ended", written.ended, fields["stopped_on_eos"])


def stored(context: Context) -> tuple[Tensor, Tensor]:
    """Keys and values of a whole context as the reference lays them out: [L, tokens, kv, d]."""
    keys, values = (
        torch.cat(parts, dim=2).transpose(1, 2)
        for parts in zip(*((s.keys, s.values) for s in context.segments), strict=True)
    )
    return keys, values


def watched_prefill(fixture: Fixture, item: ContextItem) -> tuple[Segment, Tensor, Tensor]:
    """A text segment in an empty context, with its states after each layer and after the final norm."""
    language = fixture.model.language_model
    layers: list[Tensor] = []
    finals: list[Tensor] = []
    hooks = [m.register_forward_hook(partial(_first, layers)) for m in language.model.layers]
    hooks.append(language.register_forward_hook(partial(_first, finals)))
    segment = prefill(fixture.model, fixture.tokens, Context(), item)
    for hook in hooks:
        hook.remove()
    return segment, torch.stack(layers), finals[0]


def _first(kept: list[Tensor], module: object, inputs: object, output: list[Tensor]) -> None:
    kept.append(output[0].clone())


def text(fixture: Fixture, golden: Golden) -> None:
    """Prompts prefilled and continued greedily."""
    for i, fields in enumerate(golden.entries()):
        item = fixture.text(fields.values["prompt"])
        golden.equal(f"p{i} prompt", [fixture.tokens.bos, *item.ids, fixture.tokens.eos], fields["input_ids"])
        segment, layers, final = watched_prefill(fixture, item)
        context = Context((segment,))
        written = fixture.write(context, fields["max_length"])
        check_written(golden, f"p{i}", fields, written)
        if f"p{i}.hidden_final" not in golden:
            continue
        with torch.no_grad():
            last = fixture.model.language_model.logits(segment.last_hidden[None])
        keys, values = stored(context)
        found = {
            "hidden_layers": layers,
            "hidden_final": final,
            "prefill_logits_last": last,
            "cache_k": keys,
            "cache_v": values,
            "decode_logits": written.logits[: len(golden[f"p{i}.decode_logits"])],
        }
        for name, value in found.items():
            golden.close(f"p{i}.{name}", value, HIDDEN)


def understand(fixture: Fixture, golden: Golden) -> None:
    """Pictures and questions answered greedily."""
    for fields in golden.entries():
        name = fields["name"]
        direct = "no VAE pre-resize" in fields.values.get("note", "") or name == "chat"
        items: list[ContextItem] = []
        for given in fields["inputs"]:
            if fixture.is_picture(given):
                image = fixture.image(given)
                items.append(
                    fixture.seen(image if direct else fixture.vae.resize(image), f"{given} {direct}")
                )
            else:
                items.append(fixture.text(given))
        write = partial(_answer, fixture, items, fields["max_length"])
        wanted = fields["generated_ids_incl_bos"]
        written = (
            first_that(fixture, write, partial(_has_ids, wanted)) if fields.get("think") else write(None)
        )
        check_written(golden, name, fields, written)
        golden.close(f"{name}.logits", written.logits[: len(golden[f"{name}.logits"])], HIDDEN)


def _has_ids(ids: list[int], written: Written) -> bool:
    return written.ids == ids


def _answer(fixture: Fixture, items: list[ContextItem], max_length: int, system: str | None) -> Written:
    before = [] if system is None else [fixture.text(system)]
    return fixture.write(fixture.context([*before, *items]), max_length)


def first_that(fixture: Fixture, make: Callable[[str], T], fits: Callable[[T], bool]) -> T:
    """The result with the first recorded system prompt that fits the recording, else with the first of all.

    The recordings say that a system prompt came first but not always which.
    """
    prompts = fixture.system_prompts()
    if not prompts:
        raise ValueError("a think case needs recorded texts to find its system prompt among")
    for prompt in prompts:
        result = make(prompt)
        if fits(result):
            return result
    return make(prompts[0])


def prefill_image_cache(fixture: Fixture, golden: Golden) -> None:
    """Keys and values of a picture's two segments."""
    fields = golden.fields
    context = fixture.context(fixture.picture(fixture.image(fields["input"]), fields["input"]))
    golden.equal("posterior", fields["posterior"], "mean")
    golden.equal("length", context.length, fields["kv_len"])
    golden.equal("position", context.rope, fields["rope"])
    keys, values = stored(context)
    golden.close("k", keys, HIDDEN)
    golden.close("v", values, HIDDEN)
