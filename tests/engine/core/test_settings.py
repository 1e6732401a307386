"""Settings: what is refused, what is kept as it came, and what suits the public release."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from multiprocessing import Pipe
from typing import Any

import pytest

from engine.core.settings import PUBLIC, Settings

DEFAULTS = (
    '{"protocol": "process", "mode": "auto", "timesteps": 25, "quality": "final", "guidance": 2.5, '
    '"image_guidance": 1.0, "interval_low": 0.0, "interval_high": 1.0, "shift": 1.0, "renorm": "global", '
    '"renorm_min": 0.0, "temperature": 0.0, "turns": 2, "reflection": "gentle", "height": null, '
    '"width": null, "keep_rejected": true, "max_rounds": 6, "max_images": 12, "max_tokens": 192, '
    '"max_seconds": 600.0}'
)


def test_a_run_of_a_large_model_is_not_cut_off_after_ten_minutes() -> None:
    """Twelve pictures of two and a half minutes each, as a small GPU needs for them, end in the hour."""
    public = Settings.from_dict(PUBLIC)
    assert public.max_seconds >= public.max_images * 150


def test_they_are_stored_as_ever_so_that_the_hashes_of_steps_stay() -> None:
    assert json.dumps(Settings().as_dict()) == DEFAULTS
    kept = json.dumps({**json.loads(DEFAULTS), "guidance": 3, "max_seconds": 60, "height": 512, "width": 768})
    assert json.dumps(Settings.from_dict(json.loads(kept)).as_dict()) == kept, "3 doesn't become 3.0"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"timesteps": 25.5}, "timesteps is 25.5; it must be a whole number between 2 and 200"),
        ({"timesteps": 25.0}, "timesteps is 25.0; it must be a whole number between 2 and 200"),
        ({"timesteps": "25"}, "timesteps is '25'; it must be a whole number between 2 and 200"),
        ({"timesteps": True}, "timesteps is True; it must be a whole number between 2 and 200"),
        ({"timesteps": 201}, "timesteps is 201; it must be a whole number between 2 and 200"),
        ({"guidance": "4"}, "guidance is '4'; it must be a number between 0 and 20"),
        ({"guidance": True}, "guidance is True; it must be a number between 0 and 20"),
        ({"guidance": math.nan}, "guidance is nan; it must be a number between 0 and 20"),
        ({"guidance": -0.1}, "guidance is -0.1; it must be a number between 0 and 20"),
        ({"shift": 0}, "shift is 0; it must be a number above 0, at most 20"),
        ({"max_seconds": math.inf}, "max_seconds is inf; it must be a number between 1 and 86400"),
        ({"mode": "fast"}, "mode is 'fast'; it must be one of auto, pause_each, pause_on_fault, one_step"),
        ({"mode": "auto\n"}, r"mode is 'auto\\n'; it must be one of"),
        ({"reflection": None}, "reflection is None; it must be one of gentle, firm"),
        ({"protocol": 3}, "protocol is 3; it must be the name of a protocol"),
        ({"keep_rejected": 1}, "keep_rejected is 1; it must be true or false"),
        ({"turns": 5}, "turns is 5; it must be a whole number between 1 and 4"),
        ({"interval_low": 0.9, "interval_high": 0.4}, "interval_low is 0.9; it must be below interval_high"),
        ({"height": 500, "width": 512}, "height is 500; it must be a multiple of 16 up to 4096"),
        ({"width": 512}, "height is None; it must be given with width"),
        ({"guidance": "9" * 1000}, r"guidance is '9+\.\.\.9+'; it must be"),
        ({"steps": 25}, r"unknown settings: \['steps'\]; known: "),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(wrong: dict[str, Any], says: str) -> None:
    for make in (
        lambda: Settings(**wrong),
        lambda: Settings.from_dict(wrong),
        lambda: Settings().replace(**wrong),
    ):
        with pytest.raises(ValueError, match=f"^{says}") as caught:
            make()
        assert type(caught.value) is ValueError and "\n" not in str(caught.value)


def test_they_cannot_be_changed_in_place_and_travel_to_other_processes() -> None:
    settings = Settings(timesteps=9)
    with pytest.raises(ValueError, match="frozen"):
        settings.timesteps = 10  # type: ignore[misc]
    assert settings.replace(turns=3) == Settings(timesteps=9, turns=3) != settings
    here, there = Pipe()  # as a worker process gets them
    with here, there:
        here.send(settings)
        assert there.recv() == settings


def test_protocols_and_runs_do_without_pydantic() -> None:
    """A machine that only trains has torch and accelerate, and needs no settings."""
    code = "import sys; sys.modules['pydantic'] = None; import engine.protocols, engine.runs.runner"
    subprocess.run([sys.executable, "-c", code], check=True)
