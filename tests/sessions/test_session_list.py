"""The list of sessions: titles, search, duplicates, the bin and what purging removes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessions import InvalidInput, NotFound, Store
from tests.sessions.stories import ANN, BOB, SETTINGS, grow, inspect, picture, plan, sketch


def titles(store: Store, search: str = "", **wish: bool) -> list[str]:
    return [summary.title for summary in store.sessions.list(ANN, search, **wish)]


class TestASessionStartsFromItsPrompt:
    def test_its_root_holds_the_prompt_and_the_seed(self, store):
        session = store.sessions.create(ANN, "a cat\x00 on a boat", SETTINGS, 2**63 - 1)
        branch = store.tree.branches(ANN, session.id)[0]
        root = store.tree.step(ANN, session.id, branch.tip)
        assert (root.kind, root.author, root.fields["text"]) == ("prompt", "person", "a cat on a boat")
        assert root.recipe == {"session_seed": 2**63 - 1}
        assert (session.seed, session.settings, branch.name) == (2**63 - 1, SETTINGS, "first idea")
        assert store.sessions.get(ANN, session.id) == session

    @pytest.mark.parametrize(
        ("prompt", "title"),
        [
            ("a  red\nhouse", "a red house"),
            ("word " * 40, "word " * 15 + "word…"),
            ("x" * 200, "x" * 79 + "…"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ],
    )
    def test_its_title_is_one_short_line_of_the_prompt(self, store, prompt, title):
        found = store.sessions.create(ANN, prompt, {}, 0).title
        assert found == title
        assert len(found) <= 80

    @pytest.mark.parametrize("prompt", ["", "  \n", "\x00"])
    def test_an_empty_prompt_gets_a_sentence(self, store, prompt):
        with pytest.raises(InvalidInput, match="Write what the picture should show"):
            store.sessions.create(ANN, prompt, {}, 0)
        assert store.sessions.list(ANN) == []

    @pytest.mark.parametrize("seed", [-1, 2**63])
    def test_a_seed_out_of_range_leaves_nothing_behind(self, store, seed):
        with pytest.raises(InvalidInput, match="out of range"):
            store.sessions.create(ANN, "a cat", {}, seed)
        assert store.sessions.list(ANN) == []

    def test_a_ten_thousand_character_prompt_is_kept_whole(self, store):
        session = store.sessions.create(ANN, "é" * 10_000, {}, 0)
        assert (
            len(store.tree.step(ANN, session.id, store.tree.branches(ANN, session.id)[0].tip).fields["text"])
            == 10_000
        )


class TestTheListSaysWhatAPersonLooksFor:
    def test_counts_and_the_newest_picture(self, store):
        story = grow(store)
        sid = story.session.id
        branch = store.tree.fork(ANN, sid, plan(story.prompt.id, "a blue house"))
        newest = store.pictures.put(picture(99))
        store.tree.add_step(ANN, sid, sketch(branch.tip, newest), branch.id)
        store.sessions.create(ANN, "untouched", {}, 0)
        plain, grown = store.sessions.list(ANN)
        assert (grown.id, grown.branch_count, grown.thumbnail) == (sid, 2, newest)
        assert (plain.branch_count, plain.thumbnail) == (1, None)

    def test_the_last_touched_comes_first(self, store):
        first, second = (store.sessions.create(ANN, prompt, {}, 0) for prompt in ("one", "two"))
        assert titles(store) == ["two", "one"]
        store.tree.add_step(
            ANN,
            first.id,
            plan(store.tree.branches(ANN, first.id)[0].tip),
            store.tree.branches(ANN, first.id)[0].id,
        )
        assert titles(store) == ["one", "two"]
        store.sessions.rename(ANN, second.id, "zwei")
        assert titles(store) == ["zwei", "one"]

    def test_settings_and_title_change_and_stay(self, store):
        session = store.sessions.create(ANN, "one", {}, 0)
        assert store.sessions.update_settings(ANN, session.id, {"guidance": 3.5}).settings == {
            "guidance": 3.5
        }
        assert store.sessions.rename(ANN, session.id, " a\nnew name ").title == "a new name"
        with pytest.raises(InvalidInput, match="The old one was kept"):
            store.sessions.rename(ANN, session.id, " ")
        kept = store.sessions.get(ANN, session.id)
        assert (kept.title, kept.settings) == ("a new name", {"guidance": 3.5})


class TestSearchFindsWordsAnywhere:
    @pytest.fixture(scope="class")
    @classmethod
    def listed(cls, tmp_path_factory):
        with Store.open(tmp_path_factory.mktemp("listed")) as store:
            grow(store, prompt="100% КРАСНЫЙ дом_1")
            story = grow(store, prompt='a cat\'s "boat"')
            lantern = plan(story.inspect.id, "add a LANTERN")
            store.tree.add_step(ANN, story.session.id, lantern, story.branch.id)
            store.sessions.rename(ANN, story.session.id, "Sailing")
            yield store

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("красный", ["100% КРАСНЫЙ дом_1"]),
            ("lantern", ["Sailing"]),
            ("CAT'S", ["Sailing"]),
            ("sail lantern", ["Sailing"]),
            ("lantern красный", []),
            ("0%", ["100% КРАСНЫЙ дом_1"]),
            ("1%0", []),
            ("дом_1", ["100% КРАСНЫЙ дом_1"]),
            ("дом 1", ["100% КРАСНЫЙ дом_1"]),
            ('"boat"', ["Sailing"]),
            ("instruction", []),  # the name of a field isn't text
            ("' OR 1=1 --", []),
            ("\x00\ud800", ["Sailing", "100% КРАСНЫЙ дом_1"]),  # nothing is left to look for
        ],
    )
    def test_in_titles_prompts_and_steps_whatever_the_case(self, listed, search, found):
        assert titles(listed, search) == found

    def test_a_search_without_end_is_answered(self, listed):
        assert titles(listed, "lantern " * 5000) == ["Sailing"]


class TestADuplicateIsASessionOfItsOwn:
    def test_same_steps_and_branches_under_other_ids(self, store):
        story = grow(store)
        sid = story.session.id
        store.tree.fork(ANN, sid, inspect(story.sketch.id, "bigger"), name="bigger")
        store.runs.create(ANN, sid, story.branch.id, {})
        copy = store.sessions.duplicate(ANN, sid)
        assert copy.title == f"{story.session.title} (copy)"
        assert (copy.seed, copy.settings) == (story.session.seed, story.session.settings)
        assert store.tree.steps(ANN, copy.id) == store.tree.steps(ANN, sid)
        old, new = store.tree.branches(ANN, sid), store.tree.branches(ANN, copy.id)
        assert [(b.name, b.tip, b.forked_at) for b in new] == [(b.name, b.tip, b.forked_at) for b in old]
        assert not {b.id for b in new} & {b.id for b in old}
        assert store.runs.list(ANN, copy.id) == []

    def test_it_outlives_the_first(self, store):
        story = grow(store)
        copy = store.sessions.duplicate(ANN, story.session.id)
        store.sessions.delete(ANN, story.session.id)
        store.sessions.purge_deleted(ANN)
        assert len(store.tree.trajectory(ANN, copy.id, story.inspect.id)) == 4
        store.pictures.load(ANN, copy.id, story.sketch.image)


class TestDeletingCanBeUndone:
    def test_the_bin_hides_and_gives_back_everything(self, store):
        story = grow(store)
        sid = story.session.id
        before = store.sessions.list(ANN)
        store.sessions.delete(ANN, sid)
        assert store.sessions.list(ANN) == []
        assert store.sessions.list(ANN, deleted=True) == before
        with pytest.raises(NotFound):
            store.tree.steps(ANN, sid)
        store.sessions.restore(ANN, sid)
        assert store.sessions.list(ANN) == before
        assert list(store.tree.steps(ANN, sid)) == story.ids

    def test_what_is_not_in_the_bin_cannot_be_restored(self, store):
        with pytest.raises(NotFound):
            store.sessions.restore(ANN, grow(store).session.id)


class TestPurgingRemovesOnlyWhatNobodyRefersTo:
    def test_rows_go_and_only_their_own_pictures(self, store):
        doomed, kept = grow(store, seed=1), grow(store, seed=2)
        shared = store.pictures.put(picture(3))
        for story in (doomed, kept):
            store.tree.fork(ANN, story.session.id, sketch(story.plan.id, shared))
        store.sessions.delete(ANN, doomed.session.id)
        assert store.sessions.purge_deleted(ANN) == 1
        assert store.sessions.list(ANN, deleted=True) == []
        left = {path.parent.name + path.stem for path in (store.home / "images").rglob("*.png")}
        assert left == {kept.sketch.image, shared}

    def test_a_picture_whose_step_is_not_in_yet_is_spared(self, store):
        story, doomed = grow(store, seed=1), grow(store, seed=2)
        store.sessions.delete(ANN, doomed.session.id)
        fresh = store.pictures.put(picture(2))  # just painted again, the same as the doomed one
        store.sessions.purge_deleted(ANN)
        store.tree.fork(ANN, story.session.id, sketch(story.plan.id, fresh))
        store.pictures.load(ANN, story.session.id, fresh)

    def test_other_files_in_the_folder_are_left_alone(self, store):
        stranger = store.home / "images" / "ab" / "holiday.png"
        stranger.parent.mkdir(parents=True)
        stranger.write_bytes(b"mine")
        store.sessions.delete(ANN, grow(store).session.id)
        store.sessions.purge_deleted(ANN)
        assert stranger.read_bytes() == b"mine"

    def test_sessions_not_in_the_bin_and_other_peoples_bins_stay(self, store):
        grow(store)
        store.sessions.delete(BOB, grow(store, BOB).session.id)
        assert store.sessions.purge_deleted(ANN) == 0
        assert (len(store.sessions.list(ANN)), len(store.sessions.list(BOB, deleted=True))) == (1, 1)

    def test_a_moment_spares_what_went_in_after_it(self, store):
        store.sessions.delete(ANN, grow(store).session.id)
        assert store.sessions.purge_deleted(ANN, deleted_before=datetime.now(UTC) - timedelta(days=30)) == 0
        assert store.sessions.purge_deleted(ANN, deleted_before=datetime.now(UTC)) == 1
