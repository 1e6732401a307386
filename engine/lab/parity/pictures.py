"""Cases that draw: every generation of the interleaved procedure, two samples at once, and two IRG turns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.inference.flow import Guidance, Update, sample, schedule
from engine.inference.guidance_batch import GuidanceBatch
from engine.inference.prefill import Context, ContextItem
from engine.lab.parity.fixture import Fixture, Written
from engine.lab.parity.golden import HIDDEN, LATENT, LEVEL, SECOND_TURN, Golden
from engine.lab.parity.text import GAP, first_that
from engine.model.autoencoder import to_uint8
from engine.model.language import GEN, UND
from engine.model.patches import unpatchify


@dataclass
class Contexts:
    """The three contexts of the interleaved procedure, as items, and the thought if there was one."""

    cond: list[ContextItem] = field(default_factory=list)
    cfg_text: list[ContextItem] = field(default_factory=list)
    cfg_img: list[ContextItem] = field(default_factory=list)
    thought: Written | None = None


def guidance(call: dict[str, Any]) -> Guidance:
    """Guidance from the recorded arguments."""
    low, high = call["cfg_interval"]
    return Guidance(
        call["cfg_text_scale"],
        call.get("cfg_img_scale", 1.0),
        low,
        high,
        call["cfg_renorm_type"],
        call.get("cfg_renorm_min", 0.0),
    )


def build_contexts(fixture: Fixture, golden: Golden, system: str | None) -> Contexts:
    """Reads the recorded inputs: an image moves the text-free context, a text the image-free one."""
    fields, made = golden.fields, Contexts()
    noise = golden["posterior_eps"] if fields.get("posterior", "mean") == "sample" else None
    sampled = "" if noise is None else hashlib.sha256(noise.numpy().tobytes()).hexdigest()
    if system is not None:
        made.cond.append(fixture.text(system))
        made.cfg_img.append(fixture.text(system))
    for given in fields["inputs"]:
        if fixture.is_picture(given):
            made.cond += fixture.picture(fixture.image(given), given + sampled, noise)
            made.cfg_text = list(made.cond)
        else:
            made.cfg_text = list(made.cond)
            made.cond.append(fixture.text(given))
            made.cfg_img.append(fixture.text(given))
    if system is not None:
        longest = fields["params"].get("max_think_token_n", 1000)
        made.thought = fixture.write(fixture.context(made.cond), longest)
        made.cond.append(fixture.text(made.thought.text))
    return made


def _check_contexts(golden: Golden, contexts: dict[str, Context], recorded: dict[str, Any]) -> None:
    for name, context in contexts.items():
        if name in recorded:
            sizes = {"kv_len": context.length, "rope": context.rope}
            golden.equal(f"context {name}", sizes, recorded[name])


def _check_thought(golden: Golden, made: Contexts) -> None:
    fields, thought = golden.fields, made.thought
    golden.equal("thought", [thought.text] if thought else [], fields["text"])
    golden.equal("thought ids", [thought.ids] if thought else [], fields["text_tokens"])
    smallest = fields["min_text_top2_gap"]
    if thought and smallest is not None:
        golden.close("smallest gap", thought.gaps.min(), GAP, torch.tensor(smallest))
    else:
        golden.equal("smallest gap", None, smallest)


def generation(fixture: Fixture, golden: Golden) -> None:
    """One recorded call of the interleaved procedure, from its inputs to its PNG."""
    fields = golden.fields
    recorded, wanted = fields["context"], fields["text_tokens"]
    if fields["think"]:
        make = partial(build_contexts, fixture, golden)
        made = first_that(fixture, make, lambda m: m.thought is not None and [m.thought.ids] == wanted)
    else:
        made = build_contexts(fixture, golden, None)
    _check_thought(golden, made)
    contexts = {n: fixture.context(getattr(made, n)) for n in ("cond", "cfg_text", "cfg_img")}
    _check_contexts(golden, contexts, recorded)
    call, shape = recorded["call"], list(recorded["image_shape"])
    params = fields["params"]
    golden.equal(
        "arguments", {k: call[k] for k in params if k in call}, {k: params[k] for k in params if k in call}
    )
    golden.equal("greedy", bool(params.get("do_sample", False)), False)
    golden.equal("known posterior", fields.get("posterior", "mean") in ("mean", "sample"), True)
    golden.equal("image shape", shape, _image_shape(fixture, golden))
    unit = fixture.model.config.latent_downsample
    grid = (shape[0] // unit, shape[1] // unit)
    updates = list(
        sample(
            fixture.model,
            fixture.tokens,
            golden["latents"][0],
            grid,
            contexts["cond"],
            text_free=contexts["cfg_text"],
            image_free=contexts["cfg_img"],
            guidance=guidance(call),
            timesteps=call["num_timesteps"],
            shift=call["timestep_shift"],
            extrapolate=call.get("enable_taylorseer", False),
        )
    )
    golden.close("timesteps", schedule(call["num_timesteps"], call["timestep_shift"])[:-1], 1e-6)
    golden.close("latents", torch.stack([golden["latents"][0], *(u.x for u in updates)]), LATENT)
    if "velocities" in golden:
        golden.close("velocities", torch.stack([u.velocity for u in updates]), LATENT)
    _check_passes(fixture, golden, contexts, grid, updates, call)
    decoded = decode(fixture, updates[-1].x, grid)
    if "decoded" in golden:
        golden.close("decoded", decoded, LATENT)
    for name in golden.pictures:
        golden.picture(name, to_uint8(decoded))


def _image_shape(fixture: Fixture, golden: Golden) -> list[int]:
    """The size a case should have: that of its last picture, else the one asked for."""
    fields = golden.fields
    pictures = [given for given in fields["inputs"] if fixture.is_picture(given)]
    if not pictures:
        return list(fields["params"].get("image_shapes", (1024, 1024)))
    width, height = fixture.vae.size(*fixture.image(pictures[-1]).size)
    return [height, width]


@torch.no_grad()
def _check_passes(
    fixture: Fixture,
    golden: Golden,
    contexts: dict[str, Context],
    grid: tuple[int, int],
    updates: list[Update],
    call: dict[str, Any],
) -> None:
    """The first network passes one by one, marker rows and all, in the reference's order of calls."""
    states = [golden["latents"][0], *(u.x for u in updates)]
    times = schedule(call["num_timesteps"], call["timestep_shift"])
    low, high = call["cfg_interval"]
    passes = []
    for i in range(len(updates)):
        inside = bool(times[i] > low) and bool(times[i] <= high)
        passes.append((i, "cond"))
        passes += [(i, "cfg_text")] if inside and call["cfg_text_scale"] > 1 else []
        passes += [(i, "cfg_img")] if inside and call["cfg_img_scale"] > 1 else []
    for number, (i, name) in enumerate(passes):
        layers: list[Tensor] = []
        hooks = [
            m.register_forward_hook(partial(_whole_rows, layers))
            for m in fixture.model.language_model.model.layers
        ]
        markers, latents = GuidanceBatch(fixture.model, fixture.tokens, [contexts[name]], *grid).states(
            states[i], times[i]
        )
        for hook in hooks:
            hook.remove()
        if number == 0 and "step0_cond_layers" in golden:
            golden.close("step0_cond_layers", torch.stack(layers), HIDDEN)
        if f"llm2vae_raw_first_{number}" not in golden:
            break
        language = fixture.model.language_model
        und, gen = language.norm(UND, markers[0]), language.norm(GEN, latents[0])
        rows = torch.cat([und[:1], gen, und[1:]])
        golden.close(f"llm2vae_raw_first_{number}", fixture.model.velocity(rows), LATENT)


def _whole_rows(kept: list[Tensor], module: object, inputs: object, output: list[Tensor]) -> None:
    und, gen = output
    kept.append(torch.cat([und[:1], gen, und[1:]]))


@torch.no_grad()
def decode(fixture: Fixture, x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Latent tokens -> raw decoder output [3, H, W]."""
    return fixture.autoencoder.decode(unpatchify(x, fixture.model.config.latent_patch, *grid)[None])[0]


def batch_of_two(fixture: Fixture, golden: Golden) -> None:
    """Two samples recorded in one call; channel renormalisation keeps them apart, so each is run alone."""
    fields = golden.fields
    params, unit = fields["params"], fixture.model.config.latent_downsample
    for i, (prompt, size) in enumerate(zip(fields["prompts"], fields["sizes"], strict=True)):
        condition = fixture.context([fixture.text(prompt)])
        *_, last = sample(
            fixture.model,
            fixture.tokens,
            golden[f"init_noise_{i}"],
            (size[0] // unit, size[1] // unit),
            condition,
            text_free=Context(),
            image_free=condition,
            guidance=guidance(params),
            timesteps=params["num_timesteps"],
            shift=params["timestep_shift"],
        )
        golden.close(f"final_{i}", last.x, LATENT)


def irg(fixture: Fixture, golden: Golden) -> None:
    """Think, draw, look at the drawing, reflect, draw again."""
    fields = golden.fields
    params, prompt = fields["params"], fixture.text(fields["prompt"])
    system = fixture.text(fields["system_prompt"])
    golden.equal("system prompt ids", list(system.ids), fields["system_prompt_ids"])
    golden.equal("recorded with", [fields["posterior"], fields["text"]], ["mean", "greedy"])
    recorded = fields["contexts"]
    first: list[ContextItem] = [system, prompt]
    think1 = fixture.write(fixture.context(first), params["max_length"])
    thought1 = fixture.text(think1.text)
    turn1: dict[str, list[ContextItem]] = {
        "cond": [*first, thought1],
        "cfg_text": [system],
        "cfg_img": [*first, thought1],
    }
    levels = _turn(fixture, golden, "turn1", turn1, recorded[0], LATENT)
    image = Image.fromarray(np.ascontiguousarray(levels.numpy()), "RGB")
    seen = [*turn1["cond"], *fixture.picture(image, "irg turn 1")]
    think2 = fixture.write(fixture.context(seen), params["max_length"])
    thought2 = fixture.text(think2.text)
    turn2: dict[str, list[ContextItem]]
    turn2 = {
        "cond": [*seen, thought2],
        "cfg_text": seen,
        "cfg_img": [*turn1["cond"], thought2],
    }
    _turn(fixture, golden, "turn2", turn2, recorded[1], SECOND_TURN)
    golden.equal("think 1", think1.text, fields["think1"])
    golden.equal("think 2", think2.text, fields["think2"])
    golden.equal("ids", [think1.ids, think2.ids], fields["think_ids_incl_bos"])
    emitted = torch.cat([w.gaps[: len(w.ids) - 1] for w in (think1, think2)])
    every = torch.cat([think1.gaps, think2.gaps])
    golden.close("gaps", every, SECOND_TURN, torch.tensor(fields["top2_gaps"]))
    smallest = torch.tensor(fields["min_text_top2_gap"])
    nearest = min((emitted.min(), every.min()), key=lambda gap: (gap - smallest).abs())
    golden.close("smallest gap", nearest, SECOND_TURN, smallest)


def _turn(
    fixture: Fixture,
    golden: Golden,
    turn: str,
    items: dict[str, list[ContextItem]],
    recorded: dict[str, Any],
    threshold: float,
) -> Tensor:
    """Draws one turn and checks it; returns the picture as uint8 [H, W, 3]."""
    fields = golden.fields
    call, params = fields[turn], fields["params"]
    contexts = {name: fixture.context(parts) for name, parts in items.items()}
    _check_contexts(golden, contexts, recorded)
    golden.equal(
        f"updates before {turn}",
        (params["num_timesteps"] - 1) * (turn != "turn1"),
        recorded["n_steps_before"],
    )
    side = params["resolution"] // fixture.model.config.latent_downsample
    noise = golden[f"{turn}_init_noise"]
    updates = list(
        sample(
            fixture.model,
            fixture.tokens,
            noise,
            (side, side),
            contexts["cond"],
            text_free=contexts["cfg_text"],
            image_free=contexts["cfg_img"],
            guidance=guidance(call),
            timesteps=params["num_timesteps"],
            shift=call["timestep_shift"],
        )
    )
    golden.equal(
        f"{turn} first latents are its noise", torch.equal(golden[f"{turn}_latents"][0], noise), True
    )
    golden.close(f"{turn}_latents", torch.stack([noise, *(u.x for u in updates)]), threshold)
    decoded = decode(fixture, updates[-1].x, (side, side))
    levels = to_uint8(decoded)
    golden.close(f"{turn}_decoded", decoded, threshold)
    golden.close(f"{turn}_image_u8", levels, LEVEL)
    golden.picture(f"{golden.stem}_{turn}", levels)
    return levels
