"""Cases without a context: tokens, preprocessing, vision encoder, autoencoder."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from engine.inference.flow import schedule
from engine.inference.preprocess import Transform, normalised
from engine.lab.parity.fixture import Fixture
from engine.lab.parity.golden import EXACT, HIDDEN, LEVEL, Golden
from engine.model.autoencoder import to_uint8
from engine.model.patches import grid_positions, interpolated_positions, patchify


def tokens(fixture: Fixture, golden: Golden) -> None:
    """Ids, decoded texts and framing ids."""
    fields, tokenizer = golden.fields, fixture.tokenizer
    for case in fields["cases"]:
        golden.equal(f"ids of {case['text']!r:.30}", tokenizer.encode_reference(case["text"]), case["ids"])
        golden.equal(f"text of {case['text']!r:.30}", tokenizer.decode(case["ids"]), case["decoded"])
    special = fixture.tokens
    found = {
        "bos_token_id": special.bos,
        "eos_token_id": special.eos,
        "start_of_image": special.start_of_image,
        "end_of_image": special.end_of_image,
    }
    golden.equal("framing ids", found, fields["new_token_ids"])
    golden.equal("tokens added", len(tokenizer.added), fields["num_new_tokens"])
    sizes = [tokenizer.size_before, tokenizer.size, fixture.model.config.language.vocab_size]
    golden.equal("sizes", sizes, [fields[name] for name in ("len_before", "len_after", "vocab_size")])


def preprocess(fixture: Fixture, golden: Golden) -> None:
    """The resize rule, position ids and time schedules."""
    fields = golden.fields
    names = ("max_image_size", "min_image_size", "image_stride", "max_pixels")
    rules = {k: Transform(*(v[name] for name in names)) for k, v in fields["transform_params"].items()}
    for case in fields["resize"]:
        width, height = rules[case["transform"]].size(case["width"], case["height"], case["img_num"])
        name = f"resize {case['transform']} {case['width']}x{case['height']} of {case['img_num']}"
        golden.equal(name, [height, width], case["out_height_width"])
    for case in fields["position_ids"]:
        grid = (case["img_h"] // case["patch"], case["img_w"] // case["patch"], case["side"])
        golden.equal(f"positions {grid}", grid_positions(*grid).tolist(), case["extrapolate"])
        golden.equal(f"interpolated {grid}", interpolated_positions(*grid).tolist(), case["interpolate"])
    for case in fields["timestep_schedules"]:
        times = schedule(case["num_timesteps"], case["shift"])
        name = f"schedule of {case['num_timesteps']} shifted {case['shift']}"
        golden.close(name, times, 1e-6, torch.tensor(case["schedule"]))
        golden.close(f"{name}, steps", times[:-1] - times[1:], 1e-6, torch.tensor(case["dts"]))


@torch.no_grad()
def vit(fixture: Fixture, golden: Golden) -> None:
    """Pixels, patches, encoder layers, connector, and the time embedder."""
    model, fields = fixture.model, golden.fields
    image = fixture.image(fields["input"])
    pixels = fixture.vit.pixels(image)
    golden.close("pixels", pixels, EXACT)
    patch, vision = model.config.vision.patch_size, model.vit_model.vision_model
    patches = patchify(pixels, patch)
    golden.close("patches", patches, EXACT)
    ids = model.grid(pixels.shape[1] // patch, pixels.shape[2] // patch, model.config.vit_side)
    golden.close("position_ids", ids, EXACT)
    golden.close("patch_embed", vision.embeddings(patches, ids), HIDDEN)
    layers: list[Tensor] = []
    hooks = [m.register_forward_hook(partial(_collect, layers)) for m in vision.encoder.layers]
    features = model.vit_model(patches, ids, [len(ids)])
    for hook in hooks:
        hook.remove()
    golden.close("layers", torch.stack(layers), HIDDEN)
    golden.close("vit_out", features, HIDDEN)
    golden.close("connector_out", model.connector(features), HIDDEN)
    golden.close("llm_input", model.embed_vision(patches, ids, [len(ids)]), HIDDEN)
    golden.close("time_embed_out", model.time_embedder(golden["time_embed_in"]), HIDDEN)
    edit = fixture.image(fields["edit_input"])
    resized = fixture.vae.resize(edit)
    golden.close("edit_rgb", torch.from_numpy(np.array(edit)), EXACT)
    golden.close("edit_after_vae_resize", torch.from_numpy(np.array(resized)), EXACT)
    golden.close("edit_vae_pixels", fixture.vae.pixels(resized), EXACT)
    golden.close("edit_vit_pixels", fixture.vit.pixels(resized), EXACT)


def _collect(kept: list[Tensor], module: object, inputs: object, output: Tensor) -> None:
    kept.append(output)


@torch.no_grad()
def vae(fixture: Fixture, golden: Golden) -> None:
    """Moments, latents and decoding."""
    autoencoder = fixture.autoencoder
    pixels = normalised(fixture.vae.resize(fixture.image(golden.fields["input"])))
    golden.close("pixels", pixels, EXACT)
    mean, logvar = autoencoder.encode_moments(pixels[None])
    latent = autoencoder.to_latent(mean)
    golden.close("moments", torch.cat([mean, logvar], dim=1), HIDDEN)
    golden.close("latent_mean", latent, HIDDEN)
    golden.close("latent_sample", autoencoder.encode(pixels[None], golden["posterior_eps"]), HIDDEN)
    golden.close("latent_mean_packed", patchify(latent[0], fixture.model.config.latent_patch), HIDDEN)
    decoded = autoencoder.decode(golden["decode_in"])
    golden.close("decode_out", decoded, HIDDEN)
    golden.close("decode_u8", to_uint8(decoded[0]), LEVEL)
    again = autoencoder.decode(latent)
    golden.close("recon_out", again, HIDDEN)
    golden.close("recon_u8", to_uint8(again[0]), LEVEL)
    for name in golden.pictures:
        golden.picture(name, to_uint8(again[0]))
