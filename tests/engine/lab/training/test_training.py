"""The training stages on very small models: they run, learn something, and resume where they stopped."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from engine.core.assets import default_checkpoint
from engine.lab.storybook.drawing.cells import COLOUR_NUMBERS, KIND_NUMBERS, cover
from engine.lab.storybook.scene.scene import Scene, Thing
from engine.lab.training import unified
from engine.lab.training.auxiliary_loss import CellHead
from engine.lab.training.data.sampled import read_scripts
from engine.lab.training.data.script import Painted
from engine.lab.training.losses import training_losses
from engine.lab.training.optimiser import (
    build_optimisers,
)
from engine.lab.training.packing import NoisedSplit, Packer, TextSplit, VaeSplit, VitSplit
from engine.lab.training.samples import COPIES, StorybookSampler, spread_draws
from engine.lab.training.shards import PROMPTS, USUAL, ShardDataset, write_shards
from engine.lab.training.starting_point import (
    begin_from,
    load_tokenizer,
    make_tokenizer,
)
from engine.lab.training.state import read_log
from engine.lab.training.unified import TrainingRun, draw_samples, micro_batches, train
from engine.model.autoencoder import Autoencoder
from tests.engine.lab.command_line import restroke
from tests.engine.lab.training.small import TINY_AUTOENCODER, small_model, small_plan
from tests.engine.model.test_packed_forward import TOKENS


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with a tokenizer and one shard, encoded by an untrained autoencoder."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("work")
    write_shards(
        folder / "shards" / USUAL.name,
        Autoencoder(TINY_AUTOENCODER),
        shards=1,
        seed=0,
        count=30,
        device="cpu",
    )
    make_tokenizer(folder, 0, count=60)
    return folder


@pytest.fixture(scope="module")
def sampler(work: Path) -> StorybookSampler:
    found = load_tokenizer(work, 0)
    return StorybookSampler(ShardDataset(work / "shards" / USUAL.name), found.encode, found.tokens)


def drawn(packer: Packer, sampler: Any, family: str, budget: int, **options: Any) -> list:
    """The samples of a step."""
    return draw_samples(
        sampler, family, random.Random(0), packer.generator, budget, packer.tokens_of, **options
    )


class TestSamples:
    def test_whole_trajectories_show_every_picture_twice_more_after_drawing_it(
        self, sampler: StorybookSampler
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        splits = sampler.draw("whole", random.Random(1), generator)
        kinds = [type(split) for split in splits]
        for index, kind in enumerate(kinds):
            if kind is VaeSplit:
                assert kinds[index + 1] is VitSplit
        assert NoisedSplit in kinds

    @pytest.mark.parametrize("family", ["direct", "edit"])
    def test_a_short_sample_ends_with_its_only_target_under_several_noises(
        self, sampler: StorybookSampler, family: str
    ) -> None:
        for seed in range(20):
            splits = sampler.draw(family, random.Random(seed), torch.Generator().manual_seed(seed))
            copies = COPIES[family]
            noised = [isinstance(s, NoisedSplit) for s in splits]
            assert noised == [False] * (len(splits) - copies) + [True] * copies
            targets = splits[-copies:]
            assert all(torch.equal(t.latent, targets[0].latent) for t in targets)
            assert len({t.draw for t in targets}) == copies
            assert [t.end_loss for t in targets] == [True] + [False] * (copies - 1)

    def test_only_the_newest_text_may_be_dropped(self, sampler: StorybookSampler) -> None:
        for seed in range(20):
            splits = sampler.draw("edit", random.Random(seed), torch.Generator().manual_seed(seed))
            droppable = [i for i, s in enumerate(splits) if isinstance(s, TextSplit) and s.droppable]
            assert droppable == [len(splits) - 1 - COPIES["edit"]]

    def test_a_decision_is_labelled_on_the_last_token_before_it(self, sampler: StorybookSampler) -> None:
        tokens = sampler.tokens
        splits = sampler.draw("direct", random.Random(0), torch.Generator().manual_seed(0))
        assert splits[0].next_token == tokens.start_of_image
        ends = [
            s.next_token
            for seed in range(40)
            for s in sampler.draw("whole", random.Random(seed), torch.Generator().manual_seed(0))
            if not isinstance(s, NoisedSplit)
        ]
        assert {tokens.bos, tokens.start_of_image, tokens.end_of_text} <= set(ends)

    def test_told_sessions_are_words_alone_and_new_every_time(self, sampler: StorybookSampler) -> None:
        tokens, generator = sampler.tokens, torch.Generator()
        drawn = [sampler.draw("told", random.Random(seed), generator) for seed in range(40)]
        assert all(isinstance(split, TextSplit) for splits in drawn for split in splits)
        assert all(any(split.loss for split in splits) and not splits[0].loss for splits in drawn)
        assert len({tuple(splits[0].ids) for splits in drawn}) > 35
        assert {s.next_token for splits in drawn for s in splits} == {
            tokens.bos,
            tokens.start_of_image,
            tokens.end_of_text,
            None,
        }

    def test_a_look_is_a_seen_picture_and_words_that_are_true_of_it(self, sampler: StorybookSampler) -> None:
        for seed in range(10):
            seen, said = sampler.draw("look", random.Random(seed), torch.Generator())
            assert isinstance(seen, VitSplit) and seen.next_token == sampler.tokens.bos
            assert isinstance(said, TextSplit) and said.loss
            script = random.Random(seed).choice(sampler.dataset.direct)
            assert said.ids == sampler.ids(script.parts[0].text)
            assert torch.equal(seen.cover, script.cover[script.parts[1].scene])

    def test_length_counts_the_tokens_that_are_packed(self, sampler: StorybookSampler) -> None:
        splits = sampler.draw("whole", random.Random(3), torch.Generator().manual_seed(0))
        packer = Packer(small_model().config, sampler.tokens)
        batch = packer.pack([splits])
        assert batch.sample_lengths == [packer.tokens_of(splits)]

    def test_draws_are_spread_over_the_normal_distribution(self) -> None:
        generator = torch.Generator().manual_seed(0)
        draws = torch.tensor([spread_draws(4, generator) for _ in range(500)])
        bounds = torch.special.ndtri(torch.arange(1, 4) / 4)
        assert torch.equal(torch.bucketize(draws, bounds), torch.arange(4).expand(500, 4))
        assert draws.mean().abs() < 0.1 and (draws.std() - 1).abs() < 0.1

    def test_every_picture_answers_its_prompts(self, sampler: StorybookSampler) -> None:
        pictures = {(id(script.latents), script.parts[1].scene) for script in sampler.dataset.direct}
        assert len(sampler.dataset.direct) == PROMPTS * len(pictures)
        assert len(pictures) > len(sampler.dataset.process) > 0


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

    @pytest.mark.parametrize("family", ["direct", "look"])
    def test_the_head_learns_them_from_a_layer_half_way_up(
        self, sampler: StorybookSampler, family: str
    ) -> None:
        model = small_model()
        head = CellHead(model)
        packer = Packer(model.config, sampler.tokens, generator=torch.Generator().manual_seed(0))
        batch = packer.pack(drawn(packer, sampler, family, 600))
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

    def test_a_batch_without_pictures_has_none(self, sampler: StorybookSampler) -> None:
        model = small_model()
        head = CellHead(model)
        batch = Packer(model.config, sampler.tokens).pack([[TextSplit([7, 8], loss=True)]])
        training_losses(model, batch)
        assert head.loss(batch) == 0


class TestTheUnifiedStage:
    def test_a_resumed_training_goes_on_exactly(
        self, sampler: StorybookSampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = TrainingRun(small_plan(6))
        whole, parts = tmp_path / "whole", tmp_path / "parts"
        for folder in (whole, parts):
            folder.mkdir()
        train(whole, small_model(), lambda stage: sampler, sampler.tokens, run)
        monkeypatch.setattr(unified, "SAVE_EVERY", 0.0)
        asked = []

        def draw_four(*args: object, **options: object) -> list:
            asked.append(args)
            if len(asked) == 5:
                (parts / "unified.json").unlink()  # the state alone says how far it is
                raise KeyboardInterrupt
            return draw_samples(*args, **options)

        monkeypatch.setattr(unified, "draw_samples", draw_four)
        with pytest.raises(KeyboardInterrupt):
            train(parts, small_model(), lambda stage: sampler, sampler.tokens, run)
        assert read_log(parts / "unified.state.safetensors")["steps"] == 4
        train(parts, small_model(), lambda stage: sampler, sampler.tokens, run)
        one, two = (load_file(f / "unified.state.safetensors") for f in (whole, parts))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)
        one, two = (json.loads((f / "unified.json").read_text()) for f in (whole, parts))
        assert one["means"] == two["means"] and one["images"] == two["images"] > 0

    def test_a_stage_has_its_own_shift_and_schedule(
        self, sampler: StorybookSampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (usual,) = small_plan(3)
        seen, rates = [], []

        def pieces(samples: list, packer: Packer, *more: object) -> list:
            seen.append(packer.shift)
            return micro_batches(samples, packer, *more)

        monkeypatch.setattr(unified, "micro_batches", pieces)
        monkeypatch.setattr(unified, "set_rates", lambda optimisers, *found: rates.append(found[-1]))
        stages = [usual, replace(usual, schedule="constant", shift=4.0)]
        train(tmp_path, small_model(), lambda stage: sampler, sampler.tokens, TrainingRun(stages))
        assert seen == [1.5] * 3 + [4.0] * 3
        assert rates[2] < rates[1] < 1 and rates[4:] == [1.0, 1.0]

    def test_pieces_add_up_to_the_whole_step(
        self, sampler: StorybookSampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        logs = []
        for piece in (150, 10_000):
            monkeypatch.setattr(unified, "MICRO_BATCH", piece)
            folder = tmp_path / f"{piece}"
            folder.mkdir()
            train(folder, small_model(), lambda stage: sampler, sampler.tokens, TrainingRun(small_plan(4)))
            logs.append(json.loads((folder / "unified.json").read_text())["means"])
        small, whole = logs
        assert small.keys() == whole.keys()
        for family, values in whole.items():
            assert small[family] == pytest.approx(values, rel=1e-3, abs=1e-6)

    def test_the_loss_falls_on_one_batch(self, sampler: StorybookSampler) -> None:

        model = small_model()
        packer = Packer(model.config, sampler.tokens, generator=torch.Generator().manual_seed(0))
        batch = packer.pack(drawn(packer, sampler, "words", 400))
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
        monkeypatch.setattr("engine.lab.training.sample_source.SCRIPTS", 2)
        monkeypatch.setattr(unified, "POOL", 2)
        rates = "matrix_rate = 0.0\nother_rate = 0.0"
        stage = f"[[stage]]\nsteps = 1\ntokens = 150\nshares = {{ direct = 1.0 }}\n{rates}"
        first, own = 'name = "first"\ncritique = "none"', 'name = "own"\ncritique = "self-sampled"'
        plan = tmp_path / "plan.toml"
        plan.write_text("\n".join((stage, first, stage, own)))
        begin_from(default_checkpoint(), tmp_path, 0)
        config = json.loads((tmp_path / "config.json").read_text())
        config["sampling"]["timesteps"] = 8
        (tmp_path / "config.json").write_text(json.dumps(config))
        where = [f"--work={tmp_path}", f"--plan={plan}", "--device=cpu", "--shards=1"]
        assert restroke("train", "data", *where) == 0
        assert [folder.name for folder in (tmp_path / "shards").iterdir()] == ["varied_none"]
        assert restroke("train", "unified", *where, "--sessions=1") == 0
        assert json.loads((tmp_path / "unified.json").read_text())["steps"] == 2
        painted = [s for script in read_scripts(tmp_path / "sampled") for s in script.scenes]
        assert any(isinstance(shown, Painted) for shown in painted)
        assert (tmp_path / "shards" / "varied_self-sampled" / "shard-00000.json").exists()

    def test_a_step_has_a_sample_for_every_process_and_pictures_count_as_large_as_they_are(self) -> None:
        packer = Packer(small_model().config, TOKENS, generator=torch.Generator().manual_seed(0))
        large, small = ([TextSplit([9] * 5), NoisedSplit(torch.zeros(16, side, side))] for side in (16, 4))
        assert packer.tokens_of(large) == packer.pack([large]).sample_lengths[0] == 7 + 64 + 2
        both = [*small, VaeSplit(torch.zeros(16, 4, 2)), VitSplit(torch.zeros(3, 32, 48))]
        assert packer.tokens_of(both) == packer.pack([both]).sample_lengths[0] == 7 + 6 + 4 + 8
        sampler = SimpleNamespace(draw=lambda *args: large)
        for least, count in ((1, 1), (3, 3)):
            assert len(drawn(packer, sampler, "direct", 20, least=least)) == count
        team = SimpleNamespace(process_index=0, num_processes=1, device="cpu")
        pieces = micro_batches([large, large, small, small], packer, 0, team, 80)
        assert [piece.sample_lengths for piece in pieces] == [[73], [73], [13, 13]]
