"""Steps, trajectories, rounds and seeds, as plain values.

A step is immutable and named by the hash of what made it: its parent, kind, author, payload
(text fields and/or one image) and recipe. Timings and token counts are kept beside it, outside
the hash, because the same step made twice is the same step however long it took.

The keys of a recipe, which are stored and hashed, so a name never changes:

=============  ========================  ==============================================================
key            of                        value
=============  ========================  ==============================================================
session_seed   prompt                    the session's first seed
edited_from    a person's step           the id of the step that it takes the place of
start          picture after a prompt    "upload", or the id of the picture that was started fresh from
protocol       model's step              name of the protocol
driver         model's step              "native" or "guided" (:attr:`engine.protocols.base.Protocol.driver`)
settings       model's step              every setting by name, as it was used
seed           model's step              the seed of this step (:func:`step_seed`)
attempt        model's step              how often a new seed was asked for: 0, 1, …
fingerprint    model's step              model, precision and engine: what must be equal for the same bytes
wish           model's step              "one more round", if a person asked for it
prompts        model's step, guided      short name of our prompts
preset         picture by the model      sorted names of the settings that the protocol chose
=============  ========================  ==============================================================

A key that doesn't apply is left out. The answer to a question has a recipe too, with the keys from protocol
to fingerprint.

No torch, SQL or Gradio here, so every package can use it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

TEXT_FIELDS: dict[str, tuple[str, ...]] = {
    "prompt": ("text",),
    "plan": ("instruction", "description"),
    "inspect": ("verdict", "correction"),
    "think": ("text",),
    "reflect": ("text",),
}
IMAGE_KINDS = frozenset({"sketch", "refine", "image"})
KINDS = frozenset(TEXT_FIELDS) | IMAGE_KINDS
NOUNS = {
    "prompt": "words",
    "plan": "plan",
    "sketch": "sketch",
    "inspect": "inspection",
    "refine": "refine",
    "think": "thought",
    "reflect": "reflection",
    "image": "picture",
}
"""What a step of each kind is called in a sentence."""
AUTHORS = frozenset({"model", "person"})


def canonical_json(value: Any) -> bytes:
    """One spelling per value (sorted keys, no spaces, no NaN): what a hash may be taken of."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


@dataclass(frozen=True)
class Step:
    """One node of a session's tree.

    ``fields`` holds the text payload by the names of :data:`TEXT_FIELDS`; ``image`` the SHA-256 of
    a picture's PNG bytes. ``recipe`` is everything a replay needs, by the keys in this
    module's table, and is hashed; ``result`` (seconds, tokens, reuse) is not.

    Raises ``ValueError`` for an unknown kind or author and for a payload that doesn't fit the kind.
    """

    parent: str | None
    kind: str
    author: str
    fields: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown step kind {self.kind!r}; known: {sorted(KINDS)}")
        if self.author not in AUTHORS:
            raise ValueError(f"unknown author {self.author!r}; known: {sorted(AUTHORS)}")
        if (self.kind == "prompt") != (self.parent is None):
            raise ValueError("a prompt is the root of its tree, and only a prompt is")
        if self.kind in IMAGE_KINDS:
            if not self.image or self.fields:
                raise ValueError(f"a {self.kind} step holds one image and no text fields")
        elif self.image or set(self.fields) != set(TEXT_FIELDS[self.kind]):
            raise ValueError(f"a {self.kind} step holds exactly the fields {TEXT_FIELDS[self.kind]}")

    @cached_property
    def id(self) -> str:
        """SHA-256 (hex) over parent, kind, author, payload and recipe."""
        content = {
            "parent": self.parent,
            "kind": self.kind,
            "author": self.author,
            "fields": dict(self.fields),
            "image": self.image,
            "recipe": dict(self.recipe),
        }
        return hashlib.sha256(canonical_json(content)).hexdigest()

    @property
    def is_fault(self) -> bool:
        """An inspection that asks for a refine."""
        return self.kind == "inspect" and bool(self.fields["correction"].strip())

    @property
    def is_pass(self) -> bool:
        """An inspection that finds nothing to correct."""
        return self.kind == "inspect" and not self.is_fault

    @property
    def is_start(self) -> bool:
        """A picture that a trajectory begins from, right after the prompt: a person's, or an earlier one."""
        return self.kind == "image" and "start" in self.recipe


def path_to(steps: Mapping[str, Step], tip: str) -> list[Step]:
    """The trajectory from the root to ``tip``. Raises ``KeyError`` when a parent is missing."""
    path: list[Step] = []
    at: str | None = tip
    while at is not None:
        path.append(steps[at])
        at = steps[at].parent
    return path[::-1]


def round_numbers(trajectory: Sequence[Step]) -> list[int]:
    """The round that each step belongs to.

    The prompt and a picture to start from are in round 0; a plan, a thought or a reflection opens a new one.
    """
    numbers, now = [], 0
    for step in trajectory:
        opens = now == 0 and step.kind in IMAGE_KINDS and not step.is_start
        if step.kind in ("plan", "think", "reflect") or opens:
            now += 1
        numbers.append(now)
    return numbers


def last_image(trajectory: Sequence[Step]) -> Step | None:
    """The newest picture on this trajectory, if one was drawn."""
    return next((step for step in reversed(trajectory) if step.image), None)


def step_seed(session_seed: int, depth: int, kind: str, attempt: int = 0) -> int:
    """The seed of one step: from the session's seed and the step's depth, in [0, 2**63).

    Depth, not content: when a person rewrites a plan, the sketch under it starts from the noise
    it started from before, so that what the words did not mention tends to stay. Two steps of one
    trajectory never share a seed, because they never share a depth. ``attempt`` counts how
    often "again, with a new seed" was asked for.
    """
    digest = hashlib.sha256(canonical_json([session_seed, depth, kind, attempt])).digest()
    return int.from_bytes(digest[:8], "big") >> 1
