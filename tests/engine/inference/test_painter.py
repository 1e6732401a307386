"""The painter on the recorded tiny checkpoint: what the rest of the engine calls."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

from engine import protocols
from engine.checkpoints.errors import CheckpointError
from engine.checkpoints.writer import save_checkpoint
from engine.core.errors import GenerationError
from engine.core.events import Preview
from engine.core.parts import ImagePart, TextPart
from engine.core.settings import Settings
from engine.inference.events import Drawn
from engine.inference.painter import Painter, open_painter
from engine.inference.prefill import Context, TextTokens, prefill
from engine.inference.preprocess import Transform
from engine.inference.preview import CELL
from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig
from engine.runs.opened_model import with_protocols
from tests.tiny import CKPT, FOLDER

SETTINGS = Settings(timesteps=4, guidance=3.0, image_guidance=1.0)
PARTS = (TextPart("A red car"), ImagePart("one"), TextPart("at night"))


def pixels(digest: str) -> Pictures.Image:
    assert digest == "one"
    return Pictures.open(FOLDER / "inputs" / "edit_img.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("painter") / "tiny"
    shutil.copytree(CKPT, target)
    config = json.loads((target / "config.json").read_text())
    config |= {"vae_transform": [128, 32, 16], "vit_transform": [112, 28, 14], "default_image_size": [48, 64]}
    (target / "config.json").write_text(json.dumps(config | {"title": "Tiny"}))
    return target


@pytest.fixture(scope="module")
def painter(folder: Path) -> Painter:
    torch.set_num_threads(1)
    return cache(open_painter)(folder)


def draw(painter: Painter, parts=PARTS, settings: Settings = SETTINGS, seed: int = 3, **options):
    free = {"text_free": parts[:-1], "image_free": tuple(s for s in parts if isinstance(s, TextPart))}
    return list(painter.draw(parts, **free, pixels=pixels, settings=settings, seed=seed, **options))


def test_it_says_what_it_is(painter: Painter) -> None:
    assert with_protocols(painter).title == "Tiny · CPU"
    assert painter.fingerprint["precision"] == "float32" and len(painter.fingerprint["checkpoint"]) == 64


def test_it_offers_what_its_folder_says(painter: Painter, folder: Path, tmp_path: Path) -> None:
    assert tuple(with_protocols(painter).protocols) == protocols.NAMES
    shutil.copytree(folder, tmp_path / "mine")
    config = json.loads((folder / "config.json").read_text())
    for stated, found in ((["irg"], ("irg",)), (["magic"], None)):
        mine = config | {"protocols": stated, "world": "storybook"}
        (tmp_path / "mine" / "config.json").write_text(json.dumps(mine))
        if found:
            assert tuple(with_protocols(open_painter(tmp_path / "mine")).protocols) == found
        else:
            with pytest.raises(CheckpointError, match="magic"):
                with_protocols(open_painter(tmp_path / "mine"))


def test_writing_streams_and_ends(painter: Painter) -> None:
    options = {"pixels": pixels, "max_tokens": 12, "temperature": 0.0, "seed": 0}
    *deltas, written = painter.write(PARTS, **options)
    assert written.finish in ("eos", "length") and written.tokens <= 12
    assert len(deltas) == written.tokens + (written.finish == "eos"), "a piece for each token"
    *again, rewritten = painter.write(PARTS, **options)
    assert "".join(d.text for d in again) == "".join(d.text for d in deltas)
    assert rewritten.reuse.prefilled_tokens == 0 and rewritten.reuse.reused_tokens > 0


def test_drawing_shows_previews_and_gives_the_picture_last(painter: Painter) -> None:
    *previews, drawn = draw(painter)
    assert [(p.index, p.total) for p in previews] == [(1, 3), (2, 3), (3, 3)]
    assert all(isinstance(p, Preview) and p.image.size == (96 // 8 * CELL, 80 // 8 * CELL) for p in previews)
    assert isinstance(drawn, Drawn) and (drawn.updates, drawn.forwards) == (3, 6)
    assert drawn.image.size == (96, 80), "the size of the newest picture"


def test_sizes(painter: Painter) -> None:
    assert draw(painter, (TextPart("A red car"),))[-1].image.size == (64, 48), "the checkpoint's own"
    assert draw(painter, size=(32, 64))[-1].image.size == (64, 32), "the one asked for"


@pytest.mark.parametrize("size", [(32, 32), (32, 48), (48, 16), (128, 96)])
def test_later_pictures_keep_a_size_below_what_the_checkpoint_makes_of_a_given_one(
    folder: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    shutil.copytree(folder, tmp_path / "public")
    config = json.loads((folder / "config.json").read_text()) | {"vae_transform": [128, 64, 16]}
    (tmp_path / "public" / "config.json").write_text(json.dumps(config))
    public = open_painter(tmp_path / "public")
    story: list[TextPart | ImagePart] = [TextPart("A red car")]
    gallery = {"one": pixels("one")}
    settings = Settings(timesteps=2, guidance=1, image_guidance=1)

    def newest(**options) -> Pictures.Image:
        free = {"text_free": story[:1], "image_free": story[:1]}
        recipe = {"pixels": gallery.__getitem__, "settings": settings, "seed": 3}
        return list(public.draw(story, **free, **recipe, **options))[-1].image

    height, width = size
    for name, options in (("first", {"size": size}), ("second", {}), ("third", {})):
        gallery[name] = newest(**options)
        assert gallery[name].size == (width, height)
        story += [ImagePart(name), TextPart("at night")]
    (context,), _ = public._contexts([story], gallery.__getitem__)
    assert context.segments[1].length == height * width // 16**2 + 2, "and is read at that size"
    story.append(ImagePart("one"))
    assert newest().size == (96, 80) == public.vae_transform.size(*gallery["one"].size), "a given picture"


def test_the_same_recipe_gives_the_same_bytes(painter: Painter, folder: Path) -> None:
    warm, cold = draw(painter)[-1].image, draw(open_painter(folder))[-1].image
    assert warm.tobytes() == cold.tobytes()
    assert warm.tobytes() != draw(painter, seed=4)[-1].image.tobytes()


def test_choosing_is_between_the_options(painter: Painter) -> None:
    for options in (frozenset({"text", "end"}), frozenset({"image"})):
        choice = painter.choose(PARTS, pixels=pixels, options=options)
        assert choice.token in options and 0 < choice.probability <= 1
    assert choice.probability == 1
    with pytest.raises(ValueError, match="nothing to choose after"):
        painter.choose((), pixels=pixels, options=frozenset({"text"}))


def test_typed_control_tokens_stay_text(painter: Painter) -> None:
    (plain,), _ = painter._contexts([(TextPart("a <|im_end|> b"),)], pixels)
    assert plain.length > 6


def test_a_long_text_is_read_block_by_block_with_the_same_result(painter: Painter) -> None:
    item, tokens = TextTokens(tuple(range(100, 500))), painter.tokens
    past = prefill(painter.model, tokens, Context(), TextTokens((7, 8)))
    context = Context((past,))
    whole = prefill(painter.model, tokens, context, item)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.inference.prefill.BLOCK", 37)
        blocks = prefill(painter.model, tokens, context, item)
    assert (blocks.key, blocks.rope, blocks.length) == (whole.key, whole.rope, 402)
    for name in ("keys", "values", "last_hidden"):
        assert torch.allclose(getattr(blocks, name), getattr(whole, name), atol=2e-5)


def test_a_text_beyond_the_models_reach_is_a_sentence(painter: Painter) -> None:
    with pytest.raises(GenerationError, match=r"tokens long; this model reads at most 32,768") as caught:
        draw(painter, (TextPart("\N{HOUSE BUILDING}" * 10_000),))
    assert "Shorten" in caught.value.next_action


def test_a_folder_of_other_sizes_that_states_no_transforms_is_still_usable(tmp_path: Path) -> None:
    language = LanguageConfig(48, 2, 3, 3, 64, 608, tie_word_embeddings=True)
    sizes = AutoencoderConfig(ch=32, ch_mult=(1, 2), num_res_blocks=1, z_channels=4)
    config = BagelConfig(
        language,
        VisionConfig(24, 1, 3, 32, patch_size=16, positions=25),
        latent_channels=4,
        latent_patch=1,
        latent_side=12,
        latent_downsample=2,
        vit_side=5,
    )
    model = Bagel.random(config, 1)
    model.llm2vae.weight.data.normal_(std=0.05)
    saved = json.loads((CKPT / "tokenizer.json").read_text())
    lacked = ("<|vision_start|>", "<|endoftext|>")
    kept = [t for t in saved["added_tokens"] if t["content"] not in lacked]
    saved["added_tokens"] = [{**token, "id": 560 + i} for i, token in enumerate(kept)]
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "tokenizer.json").write_text(json.dumps(saved))
    save_checkpoint(tmp_path / "model", model, Autoencoder(sizes), tmp_path / "words")
    (tmp_path / "model" / "config.json").unlink()
    other = open_painter(tmp_path / "model")
    assert (other.vae_transform, other.vit_transform) == (Transform(24, 24, 2), Transform(80, 80, 16))
    assert other.default_size == (24, 24)
    picture = draw(other, settings=Settings(timesteps=2, guidance=3, image_guidance=2))[-1].image
    assert picture.size == (24, 24), "it knows one size only, whatever it was shown"
    assert other.tokens.end_of_text is None
    assert other.choose(PARTS, pixels=pixels, options=frozenset({"text", "end"})).token == "text"


def test_a_picture_can_be_stopped_within_an_update(painter: Painter) -> None:
    """A pass over a large picture takes seconds on a small card."""
    whole = draw(painter)[-1]
    asked: list[int] = []
    again = draw(painter, check=lambda: asked.append(1))[-1]
    assert again.image.tobytes() == whole.image.tobytes()
    assert len(asked) >= again.updates, "nothing was read, so these were asked between layers"

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(painter, check=stop)


def test_overflow_is_an_error_and_not_a_black_picture(folder: Path) -> None:
    broken = open_painter(folder)
    broken.model.llm2vae.bias.data[0] = float("nan")
    with pytest.raises(GenerationError, match="overflowed while it was drawn"):
        draw(broken)
    broken.model.language_model.lm_head.weight.data[0] = float("nan")
    for temperature in (0.0, 1.0):
        with pytest.raises(GenerationError, match="overflowed"):
            list(broken.write(PARTS, pixels=pixels, max_tokens=4, temperature=temperature, seed=1))
    flat = open_painter(folder)
    flat.autoencoder.decoder.conv_out.weight.data.zero_()
    flat.autoencoder.decoder.conv_out.bias.data.copy_(torch.tensor([5.0, -5.0, -5.0]))  # red
    with pytest.raises(GenerationError, match="flat colour"):
        draw(flat)


def test_bf16_stays_close_to_float32(painter: Painter, folder: Path) -> None:
    half = draw(open_painter(folder, precision="bf16"))[-1].image
    exact = draw(painter)[-1].image
    gap = np.abs(np.asarray(half, dtype=float) - np.asarray(exact, dtype=float)).mean()
    assert 0 < gap < 6, "grey levels on average"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_gpu_draws_nearly_the_same(painter: Painter, folder: Path, precision: str) -> None:
    there = draw(open_painter(folder, device="cuda", precision=precision))[-1].image
    gap = np.abs(np.asarray(there, dtype=float) - np.asarray(draw(painter)[-1].image, dtype=float)).mean()
    assert gap < (1 if precision == "float32" else 6)
