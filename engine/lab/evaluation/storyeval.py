"""Whether the picture shows what the prompt asked for, by six tags: GenEval for the storybook world.

Source: GenEval (arXiv 2310.11513): four pictures a prompt, accuracy over pictures in each tag, overall the
unweighted mean of the tags. The examiner is the judge in place of a detector; a relation holds by the
judge's own distance, since the world's sizes are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.core.trajectory import last_image, step_seed
from engine.lab.evaluation.cost import added, cost_of
from engine.lab.evaluation.rollouts import Album, Outcome, carry_on, held_out_scenes, prompt_step, seen_at_end
from engine.lab.evaluation.statistics import Summary, summary, with_overall
from engine.lab.evaluation.suite import Row, Setup, Suite, shown
from engine.lab.storybook.judging.faults import CLEAR, faults
from engine.lab.storybook.judging.judge import Seen, SeenThing
from engine.lab.storybook.language import sentences
from engine.lab.storybook.scene.scene import Scene, gap

PLENTY = 1_000_000
"""More held-out scenes than any run looks through for its prompts."""


def _of_kind(kind: str, seen: Seen) -> list[SeenThing]:
    """The seen things of a kind, the surest first."""
    return sorted((t for t in seen.things if t.kind == kind), key=lambda t: -t.match)


def all_kinds(wanted: Scene, seen: Seen) -> bool:
    """Every wanted kind is there, in whatever colour and number."""
    return all(_of_kind(thing.kind, seen) for thing in wanted.things)


def exact_count(wanted: Scene, seen: Seen) -> bool:
    """As many of each kind as are wanted, no more and no fewer."""
    return all(
        len(_of_kind(group.kind, seen)) == sum(t.kind == group.kind for t in wanted.things)
        for group in wanted.groups()
    )


def own_colours(wanted: Scene, seen: Seen) -> bool:
    """The surest thing of every wanted kind has that thing's colour."""
    return all_kinds(wanted, seen) and all(
        _of_kind(thing.kind, seen)[0].colour == thing.colour for thing in wanted.things
    )


def in_relation(wanted: Scene, seen: Seen) -> bool:
    """The surest things of the wanted kinds stand to each other as the named relations say."""
    if not all_kinds(wanted, seen):
        return False
    surest = [_of_kind(thing.kind, seen)[0] for thing in wanted.things]
    return all(gap(surest[r.subject], r.name, surest[r.object]) >= CLEAR for r in wanted.relations)


RULES: dict[str, Callable[[Scene, Seen], bool]] = {
    "single object": all_kinds,
    "two objects": all_kinds,
    "counting": exact_count,
    "colours": own_colours,
    "position": in_relation,
    "colour attribution": own_colours,
}


def tags_of(scene: Scene) -> list[str]:
    """The tags that a scene can be a prompt of."""
    if len(scene.things) == 1:
        return ["single object", "colours"]
    if len(scene.groups()) == 1:
        return ["counting"]
    if len(scene.things) > 2:
        return []
    if scene.relations:
        return ["position"]
    apart = len({thing.colour for thing in scene.things}) == 2
    return ["two objects", "colour attribution"] if apart else ["two objects"]


@dataclass(frozen=True)
class Prompt:
    """A prompt with the scene it speaks of. ``number`` counts within the tag."""

    tag: str
    number: int
    text: str
    scene: Scene


def cases(prompts: int, seed: int) -> list[Prompt]:
    """``prompts`` of every tag, the tags in turn; all of them held out, each from a scene of its own."""
    found: dict[str, list[Prompt]] = {tag: [] for tag in RULES}
    for rng, scene in held_out_scenes(seed, PLENTY):
        if all(len(kept) >= prompts for kept in found.values()):
            break
        wanting = [tag for tag in tags_of(scene) if len(found[tag]) < prompts]
        if wanting:
            tag = min(wanting, key=lambda tag: len(found[tag]))
            text = sentences.prompt(scene, rng)
            while not all(thing.colour in text for thing in scene.things):
                text = sentences.prompt(scene, rng)
            found[tag].append(Prompt(tag, len(found[tag]), text, scene))
    return [found[tag][number] for number in range(prompts) for tag in RULES]


def examine(setup: Setup, case: Prompt) -> Row:
    """``setup.images`` runs from the prompt, each with its own seed."""
    return row_of(case, [begin(setup, case, image) for image in range(setup.images)])


def row_of(case: Prompt, runs: Sequence[tuple[Album, Outcome]]) -> Row:
    """What the pictures at the end of a prompt's runs are worth. A run without a picture is wrong."""
    row: Row = {"tag": case.tag, "right": [], "everything": [], "well_formed": [], "finished": []}
    pictures = []
    for album, outcome in runs:
        step, seen = last_image(outcome.steps), seen_at_end(outcome, album)
        row["right"].append(seen is not None and RULES[case.tag](case.scene, seen))
        row["everything"].append(seen is not None and not faults(case.scene, seen))
        row["well_formed"].append(outcome.well_formed)
        row["finished"].append(outcome.finished)
        if step is not None:
            pictures.append(shown(album[step.image], case.text, row["right"][-1]))
    return row | {"cost": added([cost_of(outcome.steps) for _, outcome in runs]), "shown": pictures}


def begin(setup: Setup, case: Prompt, image: int) -> tuple[Album, Outcome]:
    """The run of one picture of a prompt, to its end."""
    seed, album = step_seed(setup.seed, case.number, case.tag, image), Album()
    start = [prompt_step(case.text, seed)]
    return album, carry_on(setup.model, start, setup.settings, album, seed, protocol=setup.protocol)


OF_RUNS = {"everything right": "everything", "well-formed": "well_formed", "stops by itself": "finished"}
"""What is told of all pictures beside the tags, and where a row has it."""


def summarise(rows: Sequence[Row]) -> dict[str, Summary]:
    """Accuracy over pictures for each tag (every prompt has as many), overall, and of all pictures alike."""
    return (
        with_overall(shares_right(rows))
        | {name: summary([_share(row[key]) for row in rows]) for name, key in OF_RUNS.items()}
        | {"images a picture": summary([row["cost"]["images"] / len(row["right"]) for row in rows])}
    )


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values)


def shares_right(rows: Sequence[Row]) -> dict[str, list[float]]:
    """For each tag the share of right pictures of each prompt."""
    return {
        tag: [_share(row["right"]) for row in rows if row["tag"] == tag]
        for tag in dict.fromkeys(row["tag"] for row in rows)
    }


SUITE = Suite(
    "story",
    "what the prompt asked for is in the picture",
    None,
    prompts=60,
    cases=cases,
    examine=examine,
    summarise=summarise,
)
