"""The model card of a storybook checkpoint, from what training and evaluation left behind in its folder.

No figure stands here by hand: tables are made of ``training.json`` and ``evaluation.json``, and what it can
paint is read from the world's own tables and from ``config.json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from engine import protocols
from engine.checkpoints.files import folder_digest
from engine.lab.storybook.scene.palette import BACKGROUNDS, COLOURS, KINDS, SIDE, SIZES
from engine.lab.storybook.scene.sampling import SPLITS
from engine.lab.storybook.scene.scene import RELATIONS
from engine.lab.training import provenance

TEMPLATE = """# Storybook model

A small unified model in the public BAGEL layout (Qwen2 with two experts, SigLIP-NaViT vision encoder,
FLUX-style autoencoder), trained from scratch by this repository's own recipe on pictures of a storybook
world that is drawn and judged by code.

{world} It knows nothing else: other words get a graceful picture at best.

Its protocols (`protocols` in `config.json`):

{protocols}

It needs this repository's reader: its autoencoder has {groups} norm groups (`norm_groups` in
`config.json`) where the public one has 32.

## How it was trained

`restroke train all`; where a stage is named twice, the later run went on with `--begin-from`.
Autoencoder: {ae_parameters:.1f} M weights; unified model: {parameters:.1f} M weights.

{stages}

Minutes are wall clock. A shard is 1000 scripts. "Error" is the mean squared error of the flow's velocity, by
family of samples (`engine/lab/training/samples.py`); PSNR and SSIM are over held-out pictures, encoded and
decoded again. Weights are the moving average, in bf16.

## What it scores

{scores}
"""

MEASURED = """By the judge, at the settings the checkpoint recommends (`sampling` in `config.json`), on scenes
that training keeps clear of{except_early}. Brackets hold 95% intervals, bootstrapped over prompts; n counts
prompts or cases. Where all came out alike an interval has no width. A scene is its things and where they
stand: the same things in other places may have been in training, and of a single thing they mostly have been.
"""


MEANINGS = {
    "story": "The share of pictures that show what the tag asks for; *everything right*: all that the prompt "
    "says.",
    "steering": "*Obedience*: the edit is true in the final picture. *Preservation*: whatever stood there "
    "and was not mentioned still stands. *No case*: there was nothing to edit. *Artist*: a simulated one, "
    "who gives up after six edits, or after six pictures drawn anew.",
    "knowledge": "*Recall*: mistakes that Inspect objects to. *False alarms*: right pictures that it objects "
    "to. *Named*: what it says is the mistake. *Mended*: nothing is wrong after Refine, which was told the "
    "truth. *Overdone*: something else changed. *Drift*: what is left of unmentioned things, round after "
    "round.",
    "cost": "For one finished picture. *Updates*: of the flow. *Forwards*: passes of the network.",
}
"""What the figures of a suite are, for whoever meets them first."""


def world() -> str:
    """What the world can show, by its own tables."""
    alike = max(count for splits in SPLITS.values() for split, _ in splits for count in split)
    return (
        f"It paints {SIDE}×{SIDE} scenes of up to {max(SPLITS)} things at {len(BACKGROUNDS)} places: "
        f"{len(KINDS)} kinds of things in {len(COLOURS)} colours and {len(SIZES)} sizes, "
        f"up to {alike} alike, {', '.join(RELATIONS[:-1])} or {RELATIONS[-1]} each other."
    )


def protocol_rows(config: Mapping[str, Any]) -> str:
    """The protocols that a checkpoint knows, a line each."""
    return "\n".join(
        f"- {name}: {protocols.get(name).sentence}" for name in protocols.supported_protocols(config)
    )


def scores(report: Mapping[str, Any], stages: list[dict[str, Any]]) -> str:
    """Every suite of an evaluation as a table, its protocols side by side, and how each was run.

    ``stages`` is the provenance of what was measured: it knows whose data kept clear of the scenes.
    """
    suites = report.get("runs", {})
    if not suites:
        return "Nothing is measured yet: `restroke evaluate` does it."
    trainings = [stage for stage in stages if stage["stage"] == "unified"]
    early = sum(not stage.get("keeps_clear") for stage in trainings)
    said = f" (those of the first {early} of {len(trainings)} trainings did not yet)"
    measured = MEASURED.format(except_early=said if early else "")
    return "\n".join([measured, *(suite_table(name, report[name], suites[name]) for name in suites)]).rstrip()


def suite_table(name: str, figures: Mapping[str, Any], runs: Mapping[str, Any]) -> str:
    """A heading, the table and a line for every run."""
    columns = list(figures)
    tags = list(dict.fromkeys(tag for column in columns for tag in figures[column]))
    lines = [f"### {name}", "", *([MEANINGS[name], ""] if name in MEANINGS else [])]
    lines += [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {tag} | {' | '.join(_cell(figures[c].get(tag)) for c in columns)} |" for tag in tags]
    return "\n".join([*lines, "", *(_run(column, about) for column, about in runs.items()), ""])


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["mean"] is None:
        return ""
    low, high = figure["ci95"]
    middle = f", median {figure['median']:g}" if figure.get("median") is not None else ""
    return f"{figure['mean']:.3f} [{low:.3f}, {high:.3f}]{middle} n = {figure['n']}"


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
            # A family of words alone has no velocity to be wrong about.
            errors = {family: error for family, error in stage["velocity_error"].items() if error}
            source = f"{stage['shards']} shards" if "pictures" not in errors else "somebody's own"
            shown = f"{stage['noised_pictures']:,} noised pictures of {source}"
            out = "error " + ", ".join(f"{family} {error:.3f}" for family, error in errors.items())
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
            f"{path} was measured on other weights than those in {target}; the model card was not written, "
            "run restroke evaluate first"
        )
    return report


def write_model_card(target: Path) -> None:
    """Writes ``target/README.md`` from the checkpoint's own ``training.json`` and ``evaluation.json``.

    Raises ``ValueError`` as :func:`read_report`, and when it isn't a storybook model.
    """
    report, stages = read_report(target), provenance.read(target)
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    if config.get("world") != "storybook":
        raise ValueError(
            f"{target} isn't a storybook model, so this model card would not fit it; none was written"
        )
    shapes = {name: read_shapes(target / f"{name}.safetensors") for name in ("ema", "ae")}
    weights = {
        name: sum(math.prod(shape) for shape in found.values()) / 1e6 for name, found in shapes.items()
    }
    text = TEMPLATE.format(
        world=world(),
        protocols=protocol_rows(config),
        groups=config["vae_config"]["norm_groups"],
        ae_parameters=weights["ae"],
        parameters=weights["ema"],
        stages=stage_rows(stages),
        scores=scores(report, stages),
    )
    (target / "README.md").write_text(text, encoding="utf-8")


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Tensor shapes of a safetensors file, from its header."""
    with safe_open(path, "pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
