"""A PNG with its recipe inside: the way out and in again, and what hostile files get."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.core.trajectory import Step
from sessions import BundleError, InvalidInput, bundle
from sessions.bundle import Bundle, read_png, write_png
from tests.sessions.forgeries import (
    FIRST,
    GOOD,
    HOSTILE,
    SECOND,
    edit,
    forged,
    original,
    sealed,
    sound,
    with_chunks,
    with_last_picture,
)
from tests.sessions.stories import ANN, BOB, grow, inspect, picture, sketch


class TestTheRoundTrip:
    def test_what_comes_out_is_what_went_in(self):
        found = read_png(GOOD)
        assert found == sound()
        assert [step.result for step in found.steps] == [step.result for step in sound().steps]

    def test_any_viewer_shows_the_newest_picture(self):
        with Image.open(io.BytesIO(GOOD)) as shown:
            assert shown.format == "PNG"
            assert shown.convert("RGB").tobytes() == picture(2).tobytes()

    def test_one_picture_is_carried_once(self):
        assert len(GOOD) < len(FIRST) + len(SECOND) + 2000

    def test_an_exported_session_opens_again_as_a_new_one(self, store):
        story = grow(store)
        store.sessions.rename(ANN, story.session.id, "My house")
        data = store.pictures.export_png(ANN, story.session.id, story.inspect.id)
        for owner in (ANN, BOB):
            copy = store.pictures.import_png(owner, data)
            assert copy.id != story.session.id
            assert (copy.title, copy.settings, copy.seed) == ("My house", story.session.settings, 7)
            (branch,) = store.tree.branches(owner, copy.id)
            assert [s.id for s in store.tree.trajectory(owner, copy.id, branch.tip)] == story.ids
            assert store.tree.step(owner, copy.id, story.plan.id).result == story.plan.result
            assert store.pictures.load(owner, copy.id, story.sketch.image).tobytes() == picture(7).tobytes()

    def test_only_the_path_to_the_step_is_inside(self, store):
        story = grow(store)
        store.tree.fork(ANN, story.session.id, inspect(story.sketch.id, "a secret of the other idea"))
        found = read_png(store.pictures.export_png(ANN, story.session.id, story.sketch.id))
        assert [step.id for step in found.steps] == story.ids[:3]

    def test_before_the_first_picture_there_is_a_sentence(self, store):
        story = grow(store)
        with pytest.raises(InvalidInput, match="no picture up to this step yet"):
            store.pictures.export_png(ANN, story.session.id, story.plan.id)

    @given(
        text=st.text(max_size=200), number=st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    )
    @settings(max_examples=30, deadline=None)
    def test_whatever_the_words_and_numbers(self, text, number):
        start = sound()
        words = text.replace("\0", "").encode(errors="ignore").decode()
        prompt = Step(None, "prompt", "person", {"text": words}, recipe={"n": number})
        whole = replace(start, steps=(prompt, sketch(prompt.id, start.steps[2].image)))
        whole = replace(whole, pictures={start.steps[2].image: FIRST})
        assert read_png(write_png(whole)) == whole


class TestAHostileFileGetsASentence:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_and_nothing_of_it_is_kept(self, store, name):
        make, words = HOSTILE[name]
        with pytest.raises(BundleError) as caught:
            store.pictures.import_png(ANN, make())
        said = str(caught.value)
        assert words in said
        assert "Nothing was changed" in said
        assert len(said) < 600
        assert store.sessions.list(ANN) == []
        assert not list((store.home / "images").rglob("*"))

    def test_the_forger_of_these_tests_makes_sound_files_too(self):
        assert read_png(forged(lambda head: None)) == sound()
        assert len(read_png(forged(edit("steps.4.recipe.seed", 1, fit=True))).steps) == 5
        assert read_png(with_last_picture(FIRST)).steps[-1].image == sound().steps[2].image

    def test_a_file_over_the_cap_is_not_even_looked_at(self):
        with pytest.raises(BundleError, match="64"):
            read_png(GOOD + bytes(bundle.MAX_BYTES))

    def test_what_could_not_be_read_again_is_not_written(self):
        prompt = sound().steps[0]
        digests = [f"{n:064x}" for n in range(2)]
        steps = (prompt, sketch(prompt.id, digests[0]))
        steps += (sketch(steps[-1].id, digests[1]),)
        with pytest.raises(BundleError, match="larger than the 64 MB.*Nothing is lost"):
            write_png(Bundle("a", {}, 0, steps, dict.fromkeys(digests, bytes(40 * 2**20))))

    def test_a_program_that_saves_it_again_drops_the_recipe_whole(self):
        out = io.BytesIO()
        with Image.open(io.BytesIO(GOOD)) as shown:
            shown.save(out, "PNG")
        with pytest.raises(BundleError, match="often remove it"):
            read_png(out.getvalue())

    @given(at=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
    @settings(max_examples=150, deadline=None)
    def test_any_flipped_bit_is_noticed(self, at, bit):
        broken = bytearray(GOOD)
        broken[at] ^= 1 << bit
        with pytest.raises(BundleError):
            read_png(bytes(broken))

    @given(end=st.integers(0, len(GOOD) - 1))
    @settings(max_examples=60, deadline=None)
    def test_any_cut_is_noticed(self, end):
        with pytest.raises(BundleError):
            read_png(GOOD[:end])

    @given(junk=st.binary(max_size=300))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_any_bytes_inside_a_sound_shell_are_judged(self, junk):
        for file in (junk, sealed(junk, b""), with_chunks(SECOND, (b"rsTK", b"restroke\x01" + junk))):
            with pytest.raises(BundleError):
                read_png(file)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
STEP_PARTS = ("id", "parent", "kind", "author", "fields", "image", "recipe", "result")
places = st.sampled_from(
    ["title", "settings", "seed", "steps", "pictures", "pictures.0", "steps.2"]
    + [f"steps.3.{part}" for part in STEP_PARTS]
)


@given(place=places, value=json_values)
@settings(max_examples=150, deadline=None)
def test_any_json_anywhere_is_read_or_refused_but_never_breaks(place, value):
    try:
        found = read_png(forged(edit(place, value)))
    except BundleError:
        return
    assert place in ("title", "settings", "seed", "steps.3.result") or value == original(place)
    assert [step.id for step in found.steps] == [step.id for step in sound().steps]
