"""How a picture is drawn again after a reflection, and how often at most. Source: IRG (arXiv 2509.06945)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REFLECTIONS: Mapping[str, Mapping[str, Any]] = {
    "gentle": {"guidance": 2.0, "image_guidance": 2.0, "renorm": "text_channel", "interval_low": 0.0},
    "firm": {"guidance": 4.0, "image_guidance": 2.0, "renorm": "text_channel", "interval_low": 0.0},
}
"""By name: how strongly the words are followed, and how much of the picture before is kept.

``gentle`` are the scales that the paper reports, ``firm`` those of its released script.
"""
MOST_TURNS = 4
"""More turns than this were never measured; IRG's own pictures get worse beyond two."""
