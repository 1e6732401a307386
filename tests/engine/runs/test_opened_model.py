"""A model as every room is given it: settings, protocols, fingerprint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine import protocols
from engine.checkpoints.errors import CheckpointError
from engine.core.settings import PUBLIC, Settings
from engine.protocols.history import MAX_PICTURES
from engine.runs.opened_model import OpenedModel, open_model, recommended
from tests.scripted import scripted_model
from tests.tiny import CKPT


def test_fewer_pictures_are_shown_by_every_protocol_and_named_in_the_fingerprint() -> None:
    model = scripted_model(protocols=protocols.NAMES)
    small = model.with_max_pictures(3)
    assert {protocol.max_pictures for protocol in small.protocols.values()} == {3} == {small.max_pictures}
    assert small.fingerprint == {**model.fingerprint, "pictures": "at most 3"}
    assert {protocol.max_pictures for protocol in model.protocols.values()} == {MAX_PICTURES}
    assert model.with_max_pictures(MAX_PICTURES) == model


def test_recommended_settings_are_complete_and_by_a_protocol_that_is_offered() -> None:
    offered = protocols.trained_protocols()
    assert recommended({"timesteps": 9}, offered) == Settings(timesteps=9)
    del offered["process"]
    assert recommended({}, offered).protocol == "direct"


@pytest.mark.parametrize(
    ("sampling", "says"),
    [({"timesteps": 9000}, "timesteps is 9000"), ({"steps": 9}, "unknown settings: .*steps")],
)
def test_recommended_settings_that_do_not_fit_are_named(sampling: dict[str, int], says: str) -> None:
    with pytest.raises(CheckpointError, match=says):
        recommended(sampling, protocols.trained_protocols())


def test_a_folder_is_opened_with_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.placement.planner.gpus_here", list)
    monkeypatch.setattr("engine.placement.open.seconds_per_picture", lambda *_, **more: 2.0)
    folder = tmp_path / "tiny"
    shutil.copytree(CKPT, folder)
    config = json.loads((folder / "config.json").read_text()) | {"title": "Tiny", "protocols": ["irg"]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocabulary.json").write_text(
        json.dumps({"version": 1, "world": "tiny", "words": ["a", "cat"]})
    )
    model = open_model(folder, profile="cpu")
    assert isinstance(model, OpenedModel) and list(model.protocols) == ["irg"]
    assert model.title == "Tiny · CPU" and "about 2.0 s a picture" in model.about
    assert model.folder == folder and model.vocabulary is not None
    assert model.vocabulary.unknown_words("a dog") == ["dog"]
    assert model.sampling == PUBLIC and model.settings.guidance == PUBLIC["guidance"]
    assert model.settings.protocol == "irg" and model.answers
