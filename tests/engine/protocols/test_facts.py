"""What a page is told of a protocol, against the rules written out once more."""

from __future__ import annotations

import itertools

import pytest

from engine import protocols
from engine.core.reflection import MOST_TURNS
from engine.core.settings import Settings
from engine.core.trajectory import Step, round_numbers
from engine.protocols.facts import (
    TurnsSpentError,
    protocol_facts,
    round_seconds,
    settings_after,
    trajectory_facts,
)

WORDS = {
    "plan": {"instruction": "Add it.", "description": "It is there."},
    "inspect": {"verdict": "Seen.", "correction": ""},
    "fault": {"verdict": "Seen.", "correction": "Make it red."},
    "think": {"text": "Dark."},
    "reflect": {"text": "Darker."},
}
PICTURES = ("sketch", "refine", "image")


def path(*kinds: str, author: str = "model") -> list[Step]:
    """A trajectory of these steps; ``start`` is a picture that it begins from."""
    steps = [Step(None, "prompt", "person", {"text": "a red house"})]
    for kind in kinds:
        parent = steps[-1].id
        if kind == "start":
            steps.append(Step(parent, "image", "person", image="f" * 64, recipe={"start": "x"}))
        elif kind in WORDS:
            steps.append(Step(parent, "inspect" if kind == "fault" else kind, author, WORDS[kind]))
        else:
            steps.append(Step(parent, kind, author, image=f"{len(steps):064x}"))
    return steps


def all_paths() -> list[tuple[str, ...]]:
    """Every sequence of at most three kinds of steps, with and without a picture to start from."""
    kinds = (*WORDS, *PICTURES)
    sequences = [tail for length in range(4) for tail in itertools.product(kinds, repeat=length)]
    return [*sequences, *(("start", *tail) for tail in sequences if len(tail) < 3)]


def wanted_text(protocol: str, tip: str) -> str | None:
    """The rule in the words of a table: the kind of text to write by hand after a kind of step."""
    after_round = ("inspect", "refine", "image", "start", "prompt")
    table = {
        "process": {"sketch": "inspect", **dict.fromkeys(after_round, "plan")},
        "think": dict.fromkeys(("prompt", "start"), "think"),
        "irg": {"prompt": "think", **dict.fromkeys((*PICTURES, "start", "inspect"), "reflect")},
    }
    return table["process" if protocol == "direct" else protocol].get(tip)


def wanted_drawn(protocol: str, kinds: tuple[str, ...], turns: int) -> bool:
    tip = kinds[-1] if kinds else "prompt"
    if protocol == "irg":
        return tip in (*PICTURES, "inspect") and kinds.count("reflect") + 1 >= turns
    return protocol in ("direct", "think") and tip in PICTURES


@pytest.mark.parametrize("protocol", protocols.NAMES)
def test_what_may_be_written_and_what_is_drawn(protocol: str) -> None:
    for kinds in all_paths():
        for turns in (1, 2, 3) if protocol == "irg" else (2,):
            facts = trajectory_facts(path(*kinds), Settings(protocol=protocol, turns=turns))
            tip = kinds[-1] if kinds else "prompt"
            assert facts.next_text == wanted_text(protocol, tip), (kinds, turns)
            assert facts.nothing_to_add == wanted_drawn(protocol, kinds, turns), (kinds, turns)


def test_a_reached_limit_is_not_a_drawn_picture() -> None:
    for protocol in protocols.NAMES:
        assert not trajectory_facts(path("plan"), Settings(protocol=protocol, max_images=1)).nothing_to_add
    capped = Settings(protocol="irg", turns=3, max_images=1)
    assert not trajectory_facts(path("think", "image"), capped).nothing_to_add


@pytest.mark.parametrize(
    ("kinds", "rounds"),
    [
        ((), (0,)),
        (("start",), (0, 0)),
        (("plan", "sketch", "fault", "refine", "plan", "sketch"), (0, 1, 1, 1, 1, 2, 2)),
        (("think", "image", "reflect", "image"), (0, 1, 1, 2, 2)),
        (("image",), (0, 1)),
        (("start", "image", "plan"), (0, 0, 1, 2)),
    ],
)
def test_round_numbers(kinds: tuple[str, ...], rounds: tuple[int, ...]) -> None:
    assert tuple(round_numbers(path(*kinds))) == rounds


def test_one_more_round_is_for_process_and_after_the_model() -> None:
    round_ = ("plan", "sketch", "inspect")
    for protocol in protocols.NAMES:
        settings = Settings(protocol=protocol)
        assert trajectory_facts(path(*round_), settings).may_continue == (protocol == "process")
        assert not trajectory_facts(path(*round_, author="person"), settings).may_continue
    assert trajectory_facts(path("start"), Settings()).may_continue
    assert not trajectory_facts(path(), Settings()).may_continue


def test_the_picture_at_the_end() -> None:
    steps = path("plan", "sketch", "inspect")
    assert trajectory_facts(steps, Settings()).finished_picture == steps[2].id
    assert trajectory_facts(steps[:3], Settings()).finished_picture == steps[2].id
    for kinds in ((), ("plan",), ("plan", "sketch", "fault"), ("plan", "inspect")):
        assert trajectory_facts(path(*kinds), Settings()).finished_picture is None


def test_of_each_protocol() -> None:
    facts = {name: protocol_facts(name) for name in protocols.NAMES}
    assert facts["irg"].title == "Think and reflect" and facts["irg"].sentence.startswith("Thinks, draws")
    assert [name for name, one in facts.items() if one.reflects] == ["irg"]
    assert [name for name, one in facts.items() if one.has_rounds] == ["process"]
    assert all(one.starts_from_picture for one in facts.values())


def test_an_unknown_protocol_still_opens() -> None:
    assert protocol_facts("collage").title == "collage"
    facts = trajectory_facts(path("plan", "sketch"), Settings(protocol="collage"))
    assert (facts.next_text, facts.nothing_to_add) == ("inspect", False)


def test_seconds_of_a_round() -> None:
    measured = {"plan": 1.0, "sketch": 2.0, "inspect": 4.0, "image": 8.0}
    assert round_seconds(measured) == {"process": 7.0, "direct": 8.0}
    assert round_seconds({**measured, "think": 0.5}) == {
        "process": 7.0,
        "direct": 8.0,
        "think": 8.5,
        "irg": 8.5,
    }
    assert round_seconds({}) == {}


class TestPolishing:
    def reflected(self, times: int) -> list[Step]:
        return path("image", *["reflect", "image"] * times)

    @pytest.mark.parametrize(
        ("times", "session", "turns"),
        [(0, Settings(), 2), (1, Settings(turns=4), 3), (0, Settings(protocol="irg", turns=3), 3)],
    )
    def test_takes_one_more_turn_than_there_are(self, times: int, session: Settings, turns: int) -> None:
        found = settings_after(self.reflected(times), session, polish=True)
        assert (found.protocol, found.turns) == ("irg", turns)

    def test_ends_after_the_last_turn(self) -> None:
        with pytest.raises(TurnsSpentError, match="as many as Restroke makes"):
            settings_after(self.reflected(MOST_TURNS - 1), Settings(), polish=True)

    def test_a_reflection_is_followed_by_its_picture(self) -> None:
        found = settings_after(path("image", "reflect"), Settings())
        assert (found.protocol, found.turns) == ("irg", 2)

    def test_other_runs_keep_the_session_settings(self) -> None:
        for session in (Settings(), Settings(protocol="direct"), Settings(protocol="irg", turns=1)):
            assert settings_after(self.reflected(1), session) is session
