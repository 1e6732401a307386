"""What a finished picture costs: drawings, flow updates, network passes, tokens, seconds and memory.

Passes count every guidance context of every flow update; each token written is one more pass of its own,
counted apart. Reading the context in (prefilled tokens) is counted in tokens. All from the steps' results but
the memory, which is the most in use while the picture was made.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.trajectory import Step, step_seed
from engine.lab.evaluation.peak_memory import peak_bytes, reset_peak
from engine.lab.evaluation.rollouts import Album, carry_on, held_out_scenes, prompt_step
from engine.lab.evaluation.statistics import Summary, summary
from engine.lab.evaluation.suite import Row, Setup, Suite
from engine.lab.storybook.language import sentences

GIB = 2**30
COUNTS = ("updates", "forwards", "tokens", "prefilled_tokens", "seconds")


def cost_of(steps: Sequence[Step]) -> dict[str, float]:
    """The sums over the model's own steps: ``images`` and the counts of ``COUNTS``."""
    made = [step for step in steps if step.author == "model" and step.result]
    sums = {name: sum(step.result[name] for step in made) for name in COUNTS}
    return {"images": sum(step.image is not None for step in made)} | sums


def added(costs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Several costs as one."""
    return {name: sum(cost[name] for cost in costs) for name in costs[0]}


def cases(prompts: int, seed: int) -> list[tuple[int, str]]:
    """Prompts by number."""
    return [
        (number, sentences.prompt(scene, rng))
        for number, (rng, scene) in enumerate(held_out_scenes(seed, prompts))
    ]


def examine(setup: Setup, case: tuple[int, str]) -> Row:
    """One run from the prompt to its end."""
    number, text = case
    seed = step_seed(setup.seed, number, "cost")
    device = setup.model.fingerprint["device"]
    reset_peak(device)
    steps = carry_on(setup.model, [prompt_step(text, seed)], setup.settings, Album(), seed).steps
    kinds = dict.fromkeys(step.kind for step in steps[1:])
    by_kind = {kind: cost_of([step for step in steps if step.kind == kind])["seconds"] for kind in kinds}
    return {"cost": cost_of(steps), "seconds_by_kind": by_kind, "memory": peak_bytes(device)}


def summarise(rows: Sequence[Row]) -> dict[str, Summary]:
    """Means a finished picture; ``seconds, KIND`` over the runs that have a step of the kind."""
    found = {name: summary([row["cost"][name] for row in rows]) for name in ("images", *COUNTS)}
    for kind in dict.fromkeys(kind for row in rows for kind in row["seconds_by_kind"]):
        values = [row["seconds_by_kind"][kind] for row in rows if kind in row["seconds_by_kind"]]
        found[f"seconds, {kind}"] = summary(values)
    found["peak memory, GiB"] = summary([row["memory"] / GIB for row in rows])
    return found


SUITE = Suite(
    "cost",
    "what a finished picture costs",
    None,
    prompts=20,
    cases=cases,
    examine=examine,
    summarise=summarise,
    alone=True,
)
