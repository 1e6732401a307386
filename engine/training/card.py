"""The model card of a storybook checkpoint, from what training and evaluation left behind in its folder.

No figure stands here by hand: tables are made of ``training.json`` and ``evaluation.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from engine.checkpoints.files import folder_digest
from engine.training import history
from engine.world.palette import BACKGROUNDS, COLOURS, KINDS

CARD = """# Storybook model

A small unified model in the public BAGEL layout (Qwen2 with two experts, SigLIP-NaViT vision encoder,
FLUX-style autoencoder), trained from scratch by this repository's own recipe on pictures of a storybook
world that is drawn and judged by code. It paints 256×256 scenes of {kinds} kinds of things in {colours}
colours at {places} places, by plan, sketch, inspection and refine. It knows nothing else: other words get
a graceful picture at best.

It needs this repository's reader: its autoencoder has {groups} norm groups (`norm_groups` in
`config.json`) where the public one has 32.

## How it was trained

`python -m engine.training all`; where a stage is named twice, the later run went on with `--begin-from`.
Autoencoder: {ae_parameters:.1f} M weights; unified model: {parameters:.1f} M weights.

{stages}

Minutes are wall clock. A shard is 1000 scripts. "Error" is the mean squared error of the flow's velocity on
prompts alone; PSNR and SSIM are over held-out pictures, taken apart and put together again. Weights are the
moving average, in bf16.

## What it scores

{scores}
"""

MEASURED = """By the judge, at the settings the checkpoint recommends (`sampling` in `config.json`), on scenes
that lessons keep clear of (the first two stages of the unified model did not yet). Brackets hold 95%
intervals, bootstrapped over prompts; n counts prompts or cases. Where all came out alike an interval has no
width.
"""


def scores(report: Mapping[str, Any]) -> str:
    """Every suite of an evaluation as a table, its protocols side by side, and how each was run."""
    suites = report.get("runs", {})
    if not suites:
        return "Nothing is measured yet: `python -m engine.evaluation` does it."
    return "\n".join([MEASURED, *(suite_table(name, report[name], suites[name]) for name in suites)]).rstrip()


def suite_table(name: str, figures: Mapping[str, Any], runs: Mapping[str, Any]) -> str:
    """A heading, the table and a line for every run."""
    columns = list(figures)
    tags = list(dict.fromkeys(tag for column in columns for tag in figures[column]))
    lines = [f"### {name}", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {tag} | {' | '.join(_cell(figures[c].get(tag)) for c in columns)} |" for tag in tags]
    return "\n".join([*lines, "", *(_run(column, about) for column, about in runs.items()), ""])


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["mean"] is None:
        return ""
    low, high = figure["ci95"]
    middle = f", median {figure['median']:g}" if figure.get("median") is not None else ""
    return f"{figure['mean']:.3f}{middle} [{low:.3f}, {high:.3f}] n = {figure['n']}"


def _run(column: str, about: Mapping[str, Any]) -> str:
    if "command" not in about:
        more = f" ({about['pictures']:g} pictures)" if "pictures" in about else ""
        return f"- {column}{more}: {about['note']}"
    prints = about["fingerprint"]
    return (
        f"- {column}: `{about['command']}`, {about['date'][:10]}, {about['seconds']:.0f} s, "
        f"{prints['precision']} on {prints['device']}"
    )


def stage_rows(stages: list[dict[str, Any]]) -> str:
    """The stages of ``training.json`` as a table."""
    rows = ["| stage | machine | minutes | steps | shown | came out |", "|---|---|---|---|---|---|"]
    for stage in stages:
        if stage["stage"] == "autoencoder":
            shown, out = "fresh scenes", f"PSNR {stage['psnr']:.1f} dB"
            out += f", SSIM {stage['ssim']:.3f}" if "ssim" in stage else ""
        else:
            shown = f"{stage['noised_pictures']:,} noised pictures of {stage['shards']} shards"
            out = f"error {stage['velocity_error']['direct']:.3f}"
        cells = [stage["stage"], stage["machine"], f"{stage['minutes']:.0f}", str(stage["steps"]), shown, out]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def read_report(target: Path) -> dict[str, Any]:
    """What ``target/evaluation.json`` holds; nothing where there is none.

    Raises ``ValueError`` when it was measured on other weights.
    """
    path = target / "evaluation.json"
    report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    measured = {
        about["fingerprint"]["checkpoint"] for s in report.get("runs", {}).values() for about in s.values()
    }
    if measured - {folder_digest(target, {})}:
        raise ValueError(
            f"{path} was measured on other weights than those in {target}; the card was not written, "
            "run python -m engine.evaluation first"
        )
    return report


def write_card(target: Path) -> None:
    """Writes ``target/README.md`` from the checkpoint's own ``training.json`` and ``evaluation.json``.

    Raises ``ValueError`` as :func:`read_report`.
    """
    report = read_report(target)
    shapes = {name: read_shapes(target / f"{name}.safetensors") for name in ("ema", "ae")}
    weights = {
        name: sum(math.prod(shape) for shape in found.values()) / 1e6 for name, found in shapes.items()
    }
    text = CARD.format(
        kinds=len(KINDS),
        colours=len(COLOURS),
        places=len(BACKGROUNDS),
        groups=json.loads((target / "config.json").read_text())["vae_config"]["norm_groups"],
        ae_parameters=weights["ae"],
        parameters=weights["ema"],
        stages=stage_rows(history.read(target)),
        scores=scores(report),
    )
    (target / "README.md").write_text(text, encoding="utf-8")


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Tensor shapes of a safetensors file, from its header."""
    with safe_open(path, "pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
