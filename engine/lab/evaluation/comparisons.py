"""Another protocol's story run compared with the direct one: prompt by prompt, and at equal cost.

At equal cost the direct run gets the best of N pictures, picked by the judge: an oracle's upper bound and no
method, since whoever draws for a person has no judge that knows the answer. Nothing is drawn here: pictures
that are there are counted again. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.lab.evaluation.statistics import Summary, chance_of_one, with_overall

BEST_OF = "direct, best of N by the judge"
BEST_OF_NOTE = "an oracle's upper bound: the judge that scores the pictures has also picked them"

OVER_NOTE = "the difference prompt by prompt, by the same weights on the same prompts"


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


def over(direct: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Summary]:
    """How much more of its pictures are right, tag by tag: the mean of the prompts' own differences.

    Both are the records of story runs of the same prompts.
    """
    return with_overall(
        {
            tag: [
                right / other["images"] - before / direct["images"]
                for before, right in zip(direct["hits"][tag], other["hits"][tag], strict=True)
            ]
            for tag in direct["hits"]
        }
    )
