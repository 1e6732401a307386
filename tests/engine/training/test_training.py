"""The training stages on very small models: they run, learn something, and resume where they stopped."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

from engine.assets import default_checkpoint
from engine.checkpoints.sizes import EMBEDDING, LM_HEAD
from engine.model.autoencoder import Autoencoder, AutoencoderConfig
from engine.model.bagel import Bagel
from engine.model.config import BagelConfig, LanguageConfig, VisionConfig
from engine.training import autoencoder as autoencoder_training
from engine.training import history, unified
from engine.training.__main__ import main
from engine.training.cells import CellHead
from engine.training.data.arms import Arm
from engine.training.data.irg import MODES
from engine.training.data.sampled import read_lessons
from engine.training.data.script import Painted
from engine.training.data.split import sample_held_out_scene
from engine.training.export import protocols_of
from engine.training.group_norm import WrittenOutGroupNorm
from engine.training.losses import training_losses
from engine.training.optimiser import (
    ConvolutionMuon,
    MovingAverage,
    Muon,
    build_optimisers,
    rate_factor,
    split_parameters,
)
from engine.training.packing import CleanImage, NoisedImage, Packer, SeenImage, Text
from engine.training.recipe import (
    begin_from,
    load_autoencoder,
    make_tokenizer,
    new_model,
    rows,
    special_tokens,
)
from engine.training.samples import COPIES, SampleMaker, length, spread_draws
from engine.training.shards import PROMPTS, USUAL, Library, write_shards
from engine.training.stages import Stage, of_arm, read_plan, stretched
from engine.training.state import load_state, save_state
from engine.training.tokenizer import move_words, train_tokenizer
from engine.training.unified import Run, draw_samples, own_pieces, train
from engine.world.cells import COLOUR_NUMBERS, KIND_NUMBERS, cover
from engine.world.scene import Scene, Thing

SMALL_AUTOENCODER = AutoencoderConfig(
    ch=16, ch_mult=(1, 1, 1, 1, 1), num_res_blocks=1, z_channels=16, norm_groups=4
)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with a tokenizer and one shard, encoded by an untrained autoencoder."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("work")
    write_shards(
        folder / "shards" / USUAL.name,
        Autoencoder(SMALL_AUTOENCODER),
        shards=1,
        seed=0,
        count=30,
        device="cpu",
    )
    make_tokenizer(folder, 0, lessons=200)
    return folder


@pytest.fixture(scope="module")
def maker(work: Path) -> SampleMaker:
    tokenizer = make_tokenizer(work, 0)
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
    return SampleMaker(Library(work / "shards" / USUAL.name), encode, special_tokens(tokenizer))


def small_model(vocabulary: int = 800) -> Bagel:
    language = LanguageConfig(32, 2, 2, 1, 64, vocabulary)
    vision = VisionConfig(32, 1, 2, 64, patch_size=16, positions=64)
    return Bagel.random(BagelConfig(language, vision, 16, 2, 8, 32, 8), seed=0)


def small_plan(steps: int) -> list[Stage]:
    shares = {"direct": 0.5, "edit": 0.25, "words": 0.25}
    return [Stage("small", steps, shares, shares, tokens=400)]


class TestSamples:
    def test_whole_trajectories_show_every_picture_twice_more_after_drawing_it(
        self, maker: SampleMaker
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        splits = maker.draw("whole", random.Random(1), generator)
        kinds = [type(split) for split in splits]
        for index, kind in enumerate(kinds):
            if kind is CleanImage:
                assert kinds[index + 1] is SeenImage
        assert NoisedImage in kinds

    @pytest.mark.parametrize("family", ["direct", "edit"])
    def test_a_short_sample_ends_with_its_only_target_under_several_noises(
        self, maker: SampleMaker, family: str
    ) -> None:
        for seed in range(20):
            splits = maker.draw(family, random.Random(seed), torch.Generator().manual_seed(seed))
            copies = COPIES[family]
            noised = [isinstance(s, NoisedImage) for s in splits]
            assert noised == [False] * (len(splits) - copies) + [True] * copies
            targets = splits[-copies:]
            assert all(torch.equal(t.latent, targets[0].latent) for t in targets)
            assert len({t.draw for t in targets}) == copies
            assert [t.end_loss for t in targets] == [True] + [False] * (copies - 1)

    def test_only_the_newest_text_may_be_dropped(self, maker: SampleMaker) -> None:
        for seed in range(20):
            splits = maker.draw("edit", random.Random(seed), torch.Generator().manual_seed(seed))
            droppable = [i for i, s in enumerate(splits) if isinstance(s, Text) and s.droppable]
            assert droppable == [len(splits) - 1 - COPIES["edit"]]

    def test_a_decision_is_labelled_on_the_last_token_before_it(self, maker: SampleMaker) -> None:
        tokens = maker.tokens
        splits = maker.draw("direct", random.Random(0), torch.Generator().manual_seed(0))
        assert splits[0].next_token == tokens.start_of_image
        ends = [
            s.next_token
            for seed in range(40)
            for s in maker.draw("whole", random.Random(seed), torch.Generator().manual_seed(0))
            if not isinstance(s, NoisedImage)
        ]
        assert {tokens.bos, tokens.start_of_image, tokens.end_of_text} <= set(ends)

    def test_length_counts_the_tokens_that_are_packed(self, maker: SampleMaker) -> None:
        splits = maker.draw("whole", random.Random(3), torch.Generator().manual_seed(0))
        batch = Packer(small_model().config, maker.tokens).pack([splits])
        assert batch.sample_lengths == [length(splits)]

    def test_draws_are_spread_over_the_normal_distribution(self) -> None:
        generator = torch.Generator().manual_seed(0)
        draws = torch.tensor([spread_draws(4, generator) for _ in range(500)])
        bounds = torch.special.ndtri(torch.arange(1, 4) / 4)
        assert torch.equal(torch.bucketize(draws, bounds), torch.arange(4).expand(500, 4))
        assert draws.mean().abs() < 0.1 and (draws.std() - 1).abs() < 0.1

    def test_every_picture_answers_its_prompts(self, maker: SampleMaker) -> None:
        pictures = {(id(lesson.latents), lesson.parts[1].scene) for lesson in maker.library.direct}
        assert len(maker.library.direct) == PROMPTS * len(pictures)
        assert len(pictures) > len(maker.library.process) > 0


class TestCells:
    def test_they_say_what_covers_the_picture(self) -> None:
        thing = Thing("house", "red", 0.5, 0.6, 0.4)
        cells = cover(Scene("meadow", (thing,)))
        assert cells.shape == (2, 16, 16)
        assert set(np.unique(cells[0])) == {0, KIND_NUMBERS["house"]}
        assert set(np.unique(cells[1])) == {0, COLOUR_NUMBERS["red"]}
        rows, columns = np.nonzero(cells[0])
        assert abs(columns.mean() / 16 - 0.5) < 0.06 and abs(rows.mean() / 16 - 0.57) < 0.06

    def test_the_nearer_thing_hides_the_other(self) -> None:
        far, near = Thing("tree", "green", 0.5, 0.5, 0.4), Thing("house", "red", 0.5, 0.62, 0.4)
        kinds = cover(Scene("meadow", (near, far)))[0]
        assert kinds[10, 8] == KIND_NUMBERS["house"]

    def test_the_head_learns_them_from_a_layer_half_way_up(self, maker: SampleMaker) -> None:
        model = small_model()
        head = CellHead(model)
        packer = Packer(model.config, maker.tokens, generator=torch.Generator().manual_seed(0))
        batch = packer.pack(draw_samples(maker, "direct", random.Random(0), packer.generator, 600))
        both = nn.ModuleList([model, head])
        optimisers, values = build_optimisers(both, 3e-3, 3e-3), []
        for _ in range(12):
            training_losses(model, batch)
            loss = head.loss(batch)
            loss.backward()
            assert model.language_model.model.layers[-1].mlp_moe_gen.up_proj.weight.grad is None
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad()
            values.append(loss.item())
        assert values[-1] < 0.7 * values[0]

    def test_a_batch_without_pictures_has_none(self, maker: SampleMaker) -> None:
        model = small_model()
        head = CellHead(model)
        batch = Packer(model.config, maker.tokens).pack([[Text([7, 8], loss=True)]])
        training_losses(model, batch)
        assert head.loss(batch) == 0


class TestTheUnifiedStage:
    def test_a_resumed_training_goes_on_exactly(
        self, maker: SampleMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = Run(small_plan(6))
        whole, parts = tmp_path / "whole", tmp_path / "parts"
        for folder in (whole, parts):
            folder.mkdir()
        train(whole, small_model(), lambda stage: maker, maker.tokens, run)
        monkeypatch.setattr(unified, "SAVE_EVERY", 0.0)
        drawn = []

        def draw_four(*args: object) -> list:
            drawn.append(args)
            if len(drawn) == 5:
                raise KeyboardInterrupt
            return draw_samples(*args)

        monkeypatch.setattr(unified, "draw_samples", draw_four)
        with pytest.raises(KeyboardInterrupt):
            train(parts, small_model(), lambda stage: maker, maker.tokens, run)
        assert json.loads((parts / "unified.json").read_text())["steps"] == 4
        train(parts, small_model(), lambda stage: maker, maker.tokens, run)
        one, two = (load_file(f / "unified.state.safetensors") for f in (whole, parts))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)
        one, two = (json.loads((f / "unified.json").read_text()) for f in (whole, parts))
        assert one["means"] == two["means"] and one["images"] == two["images"] > 0

    def test_pieces_add_up_to_the_whole_step(
        self, maker: SampleMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logs = []
        for piece in (150, 10_000):
            monkeypatch.setattr(unified, "PIECE", piece)
            folder = tmp_path / f"{piece}"
            folder.mkdir()
            train(folder, small_model(), lambda stage: maker, maker.tokens, Run(small_plan(4)))
            logs.append(json.loads((folder / "unified.json").read_text())["means"])
        small, whole = logs
        assert small.keys() == whole.keys()
        for family, values in whole.items():
            assert small[family] == pytest.approx(values, rel=1e-3, abs=1e-6)

    def test_the_loss_falls_on_one_batch(self, maker: SampleMaker) -> None:

        model = small_model()
        packer = Packer(model.config, maker.tokens, generator=torch.Generator().manual_seed(0))
        batch = packer.pack(draw_samples(maker, "words", random.Random(0), packer.generator, 400))
        optimisers, values = build_optimisers(model, 3e-3, 3e-3), []
        for _ in range(12):
            loss = training_losses(model, batch).ce_mean
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad()
            values.append(loss.item())
        assert values[-1] < 0.7 * values[0]

    def test_a_stage_learns_from_sketches_of_the_stage_before(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("engine.training.lessons.SCRIPTS", 2)
        monkeypatch.setattr(unified, "POOL", 2)
        rates = "matrix_rate = 0.0\nother_rate = 0.0"
        stage = f"[[stage]]\nsteps = 1\ntokens = 150\nshares = {{ direct = 1.0 }}\n{rates}"
        first, own = 'name = "first"\ncritique = "none"', 'name = "own"\ncritique = "self-sampled"'
        plan = tmp_path / "plan.toml"
        plan.write_text("\n".join((stage, first, stage, own)))
        begin_from(default_checkpoint(), tmp_path, 0)
        wish = [f"--work={tmp_path}", f"--plan={plan}", "--device=cpu", "--shards=1", "--sessions=1"]
        main(["data", *wish])
        assert [folder.name for folder in (tmp_path / "shards").iterdir()] == ["varied_none"]
        main(["unified", *wish])
        assert json.loads((tmp_path / "unified.json").read_text())["steps"] == 2
        painted = [s for script in read_lessons(tmp_path / "sampled") for s in script.scenes]
        assert any(isinstance(shown, Painted) for shown in painted)
        assert (tmp_path / "shards" / "varied_self-sampled" / "shard-00000.json").exists()

    def test_a_process_without_samples_says_so(self) -> None:
        with pytest.raises(ValueError, match="1 samples for 2 processes"):
            own_pieces([[]], None, 0, SimpleNamespace(process_index=1, num_processes=2), 9)


class TestStages:
    def test_the_default_plan_ends_on_more_trajectories(self) -> None:
        (stage,) = read_plan("default")
        for progress in (0.0, 0.3, 0.6, 1.0):
            assert sum(stage.shares(progress).values()) == pytest.approx(1)
        assert stage.shares(1.0)["whole"] > 2 * stage.shares(0.0)["whole"]

    def test_every_step_has_its_stage(self) -> None:
        run = Run([*small_plan(3), *small_plan(5)])
        assert [run.at(step)[1] for step in (0, 2, 3, 7)] == [0, 2 / 3, 0, 0.8]
        with pytest.raises(IndexError):
            run.at(8)

    def test_a_plan_is_stretched_in_proportion(self) -> None:
        stages = [*small_plan(30), *small_plan(10)]
        assert [s.steps for s in stretched(stages, 400)] == [300, 100]
        assert stretched(stages, None) is stages

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "no stage"),
            ('[[stage]]\nname = "x"\nsteps = 2\nshares = {direct = 0.5}', "sum to 0.5"),
            ('[[stage]]\nname = "x"\nsteps = 2\nshares = {painting = 1}', "no such family.*painting"),
            ('[[stage]]\nname = "x"\nsteps = 0\nshares = {direct = 1}', "at least 1"),
            (
                '[[stage]]\nname = "x"\nsteps = 2\nshares = {direct = 1}\nrejected = "kept"',
                "masked or learned",
            ),
            ('[[stage]]\nname = "x"\nsteps = 2\nshares = {direct = 1}\nchains = "odd"', "no chains 'odd'"),
            ('[[stage]]\nname = "x"\nshares = {direct = 1}', "steps"),
        ],
    )
    def test_a_plan_that_cannot_be_says_why(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "plan.toml").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_plan(str(tmp_path / "plan.toml"))

    def test_the_papers_plans_are_there(self) -> None:
        multi, joint = read_plan("process")
        assert (multi.arm.critique, joint.arm.critique) == ("none", "self-sampled")
        six, full = read_plan("irg")
        assert set(six.first) == set(MODES) and set(full.first) == {"initial full", "improving full"}
        assert six.first["initial full"] == 2 * six.first["improving thinking understanding"]

    def test_the_default_plan_has_all_protocols(self) -> None:
        (stage,) = read_plan("default")
        past = [{"velocity_error": stage.shares(1.0)}]
        assert protocols_of(past) == ["process", "direct", "think", "irg"]
        assert protocols_of([{"velocity_error": {"direct": 0.2}}, {"psnr": 30}]) == ["direct"]

    def test_the_command_names_another_arm(self) -> None:
        (stage,) = of_arm(read_plan("default"), "add-only", "none", "learned")
        assert (stage.arm, stage.rejected) == (Arm("add-only", "none"), "learned")
        assert of_arm(read_plan("process"), None, None, None) == read_plan("process")

    def test_an_unknown_plan_names_the_known(self) -> None:
        with pytest.raises(ValueError, match="default"):
            read_plan("nowhere")


class TestBeginningFromACheckpoint:
    def test_an_empty_folder_takes_its_weights_and_words(self, tmp_path: Path) -> None:
        begin_from(default_checkpoint(), tmp_path, 0)
        tokenizer = make_tokenizer(tmp_path, 0)
        whose = default_checkpoint() / "tokenizer.json"
        assert tokenizer.get_vocab() == Tokenizer.from_file(str(whose)).get_vocab()
        model = new_model(tokenizer, 0, tmp_path / "unified.start.safetensors")
        shipped = load_file(default_checkpoint() / "ema.safetensors")
        assert torch.equal(model.llm2vae.weight, shipped["llm2vae.weight"].float())
        assert load_autoencoder(tmp_path, "cpu").config.z_channels == 16

    def test_words_move_to_where_another_tokenizer_has_them(self, tmp_path: Path) -> None:
        texts = ["a red house by the sea"] * 20
        old = train_tokenizer(texts, tmp_path / "old")
        new = train_tokenizer([*texts, "two lanterns and a sea horse"] * 20, tmp_path / "new")
        known, ids = old.get_vocab(), new.get_vocab()
        table = torch.randn(len(known) + 7, 4)
        found = move_words({EMBEDDING: table, LM_HEAD: -table, "norm": table[0]}, old, new, len(ids) + 5)
        moved = found[EMBEDDING]
        assert moved.shape == (len(ids) + 5, 4) and torch.equal(found[LM_HEAD], -moved)
        assert torch.equal(found["norm"], table[0])
        both = ids.keys() & known.keys()
        assert {"<|vision_start|>", "<|endoftext|>", "Ġhouse"} < both
        assert any(ids[token] != known[token] for token in both)
        for token in both:
            assert torch.equal(moved[ids[token]], table[known[token]])
        assert "Ġlanterns" in ids.keys() - both
        pieces = [known[letter] for letter in "Ġlanterns"]
        assert torch.allclose(moved[ids["Ġlanterns"]], table[pieces].mean(0))

    def test_what_a_word_means_survives_another_tokenizer(self, tmp_path: Path) -> None:
        make_tokenizer(tmp_path, 0, lessons=200)
        begin_from(default_checkpoint(), tmp_path, 0, new_words=True)
        tokenizer = make_tokenizer(tmp_path, 0)
        weights = load_file(tmp_path / "unified.start.safetensors")
        shipped = load_file(default_checkpoint() / "ema.safetensors")
        old = Tokenizer.from_file(str(default_checkpoint() / "tokenizer.json"))
        assert len(weights[EMBEDDING]) == rows(tokenizer) != len(shipped[EMBEDDING])
        for token in ("Ġred", "<|im_start|>"):
            for name in (EMBEDDING, LM_HEAD):
                row = shipped[name][old.token_to_id(token)].float()
                assert torch.equal(weights[name][tokenizer.token_to_id(token)], row)

    def test_the_command_begins_from_one(self, tmp_path: Path) -> None:
        wish = ["data", "--shards", "0", "--device", "cpu"]
        main([*wish, "--work", str(tmp_path), "--begin-from", str(default_checkpoint())])
        assert (tmp_path / "unified.start.safetensors").exists()
        before = (tmp_path / "ae.safetensors").read_bytes()
        main(["autoencoder", "--work", str(tmp_path), "--autoencoder-steps", "1", "--device", "cpu"])
        assert (tmp_path / "ae.safetensors").read_bytes() == before
        main(["export", "--work", str(tmp_path), "--out", str(tmp_path / "out")])
        for name in ("ema.safetensors", "ae.safetensors"):
            found, shipped = (load_file(at / name) for at in (tmp_path / "out", default_checkpoint()))
            assert found.keys() == shipped.keys()
            assert all(torch.equal(found[key].float(), shipped[key].float()) for key in shipped)

    def test_a_training_under_way_is_not_overwritten(self, tmp_path: Path) -> None:
        begin_from(default_checkpoint(), tmp_path, 0)
        with pytest.raises(FileExistsError, match="another --work"):
            begin_from(default_checkpoint(), tmp_path, 0)


class TestTheAutoencoderStage:
    def test_it_learns_resumes_and_folds_its_normalisation(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(autoencoder_training, "CONFIG", SMALL_AUTOENCODER)
        monkeypatch.setattr(autoencoder_training, "HELD_OUT", 1)
        monkeypatch.setattr(autoencoder_training, "crop_size", lambda progress: (64, 4))
        weights = autoencoder_training.train(tmp_path, steps=8, device="cpu", pool=4)
        before = json.loads((tmp_path / "autoencoder.json").read_text())
        autoencoder_training.train(tmp_path, steps=24, device="cpu", pool=4)
        after = json.loads((tmp_path / "autoencoder.json").read_text())
        assert (before["steps"], after["steps"]) == (8, 24)
        (first,), (kept, last) = before["curve"], after["curve"]
        assert first == kept and last["psnr"] > first["psnr"]
        model = Autoencoder(SMALL_AUTOENCODER)
        model.load_state_dict(load_file(weights))
        pixels = autoencoder_training.to_pixels(autoencoder_training.picture_pool(2, 5))
        latent = model.encode(pixels)
        assert 0.3 < latent.std() < 3
        spread = torch.exp(0.5 * model.encode_moments(pixels)[1]) * SMALL_AUTOENCODER.scale_factor
        assert torch.allclose(spread, torch.full_like(spread, autoencoder_training.NOISE), rtol=1e-3)

    def test_the_decoder_alone_learns_on_and_the_encoder_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(autoencoder_training, "CONFIG", SMALL_AUTOENCODER)
        monkeypatch.setattr(autoencoder_training, "HELD_OUT", 2)
        monkeypatch.setattr(autoencoder_training.DecoderOnly, "crops", lambda self, progress: (64, 4))
        with pytest.raises(FileNotFoundError, match="train an autoencoder first"):
            autoencoder_training.train(tmp_path, steps=1, device="cpu", decoder_only=True)
        torch.manual_seed(0)
        before = {k: v.contiguous() for k, v in Autoencoder(SMALL_AUTOENCODER).state_dict().items()}
        save_file(before, tmp_path / "ae.safetensors")
        module = autoencoder_training.DecoderOnly(tmp_path / "ae.safetensors")
        held_out = autoencoder_training.to_pixels(
            autoencoder_training.picture_pool(2, 2, sample_held_out_scene)
        )
        first = autoencoder_training.quality(module, held_out)
        autoencoder_training.train(tmp_path, steps=20, device="cpu", pool=4, decoder_only=True)
        after = load_file(tmp_path / "ae.safetensors")
        changed = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
        assert changed == {"decoder"}
        (point,) = json.loads((tmp_path / "decoder.json").read_text())["curve"]
        assert point["psnr"] > first["psnr"] and point["ssim"] > first["ssim"]
        (stage,) = history.gather(tmp_path, seed=0, machine="here")
        assert (stage["stage"], stage["trained"]) == ("autoencoder", "decoder alone") and "ssim" in stage

    def test_the_written_out_group_norm_has_the_same_gradients(self) -> None:
        torch.manual_seed(0)
        norm = torch.nn.GroupNorm(4, 16)
        torch.nn.init.normal_(norm.weight)
        x, weigh = torch.randn(3, 16, 5, 7, requires_grad=True), torch.randn(3, 16, 5, 7)
        wanted = torch.autograd.grad((norm(x) * weigh).sum(), [x, norm.weight, norm.bias])
        norm.__class__ = WrittenOutGroupNorm
        found = torch.autograd.grad((norm(x) * weigh).sum(), [x, norm.weight, norm.bias])
        for a, b in zip(found, wanted, strict=True):
            assert torch.allclose(a, b, atol=1e-4)


class TestOptimiser:
    @pytest.mark.parametrize("shape", [(24, 8), (8, 24), (16, 16)])
    def test_muon_does_what_torch_s_own_does(self, shape: tuple[int, int]) -> None:
        torch.manual_seed(0)
        start, gradients = torch.randn(shape), torch.randn(3, *shape)
        ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
        mine = Muon([ours], 0.02, decay=0.01)
        reference = torch.optim.Muon(
            [theirs], lr=0.02, momentum=0.95, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        )
        for gradient in gradients:
            ours.grad, theirs.grad = gradient.clone(), gradient.clone()
            mine.step()
            reference.step()
        moved = (theirs - start).norm()
        assert (ours - theirs).norm() < 0.02 * moved

    def test_muon_moves_the_kernels_themselves(self) -> None:
        torch.manual_seed(0)
        kernel = torch.nn.Parameter(torch.randn(8, 4, 3, 3).contiguous(memory_format=torch.channels_last))
        before = kernel.detach().clone()
        kernel.grad = torch.randn_like(kernel)
        ConvolutionMuon([kernel], 1e-2).step()
        assert not torch.equal(kernel, before)

    def test_matrices_of_the_blocks_and_the_rest_are_told_apart(self) -> None:
        model = small_model()
        matrices, others = split_parameters(model)
        assert all(m.ndim == 2 for m in matrices)
        assert sum(p.numel() for p in [*matrices, *others]) == sum(p.numel() for p in model.parameters())
        assert any(p is model.llm2vae.weight for p in others)

    def test_rates_warm_up_and_come_down(self) -> None:
        assert rate_factor(0.0) < rate_factor(0.005) < rate_factor(0.01) == 1
        assert rate_factor(1.0) == pytest.approx(0.02)

    def test_the_average_follows_and_the_state_comes_back(self, tmp_path: Path) -> None:
        model = torch.nn.Linear(3, 2)
        average = MovingAverage(model, 3)
        optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
        for step in range(3):
            model(torch.ones(1, 3)).sum().backward()
            optimiser.step()
            average.update(model, step)
        assert not torch.equal(average.shadow["weight"], model.weight)
        save_state(tmp_path / "s.safetensors", {"m": model}, [optimiser], average=average.shadow)
        other = torch.nn.Linear(3, 2)
        fresh = torch.optim.AdamW(other.parameters(), lr=0.1)
        tensors = load_state(tmp_path / "s.safetensors", {"m": other}, [fresh])
        assert torch.equal(other.weight, model.weight)
        assert torch.equal(tensors["average"]["weight"], average.shadow["weight"])
        assert fresh.state_dict()["state"][0]["step"] == 3
