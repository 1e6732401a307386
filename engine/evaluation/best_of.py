"""The best of N direct pictures at the flow updates of another protocol, picked by the judge.

An oracle's upper bound and no method: whoever draws for a person has no judge that knows the answer.
Nothing is drawn here: the pictures of the direct run are counted again. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.evaluation.statistics import Summary, chance_of_one, with_overall

NAME = "direct, best of N by the judge"
NOTE = "an oracle's upper bound: the judge that scores the pictures has also picked them"


def record_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What a finished story run must leave behind: right pictures by tag and prompt, updates a picture."""
    hits: dict[str, list[int]] = {}
    for row in rows:
        hits.setdefault(row["tag"], []).append(sum(row["right"]))
    finished = sum(len(row["right"]) for row in rows)
    return {"hits": hits, "updates": sum(row["cost"]["updates"] for row in rows) / finished}


def best_of(direct: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, Summary], float]:
    """The tags' accuracies when each prompt gets the best of N direct pictures, and N.

    N is how many direct pictures the other run's flow updates pay for; it may be a fraction. Both are
    the records of story runs. Raises ``ValueError`` when the direct run has fewer pictures a prompt.
    """
    n = max(1.0, other["updates"] / direct["updates"])
    chances = {
        tag: [chance_of_one(right, direct["images"], n) for right in counts]
        for tag, counts in direct["hits"].items()
    }
    return with_overall(chances), round(n, 4)
