"""What suits a checkpoint of the public release."""

from __future__ import annotations

from engine.core.settings import PUBLIC, Settings


def test_a_run_of_a_large_model_is_not_cut_off_after_ten_minutes():
    """Twelve pictures of two and a half minutes each, as a small card needs for them, end in the hour."""
    public = Settings.from_dict({**Settings().as_dict(), **PUBLIC})
    assert public.max_seconds >= public.max_images * 150
