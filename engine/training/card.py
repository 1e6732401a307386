"""The model card of a storybook checkpoint, from the numbers that training and evaluation left behind."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

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
prompts alone, PSNR is over 16 held-out pictures. Weights are the moving average, in bf16.

## What it scores

`python -m engine.evaluation`, by the judge, at the default settings (`sampling` in `config.json`), float32
on a CPU. Scenes come from seeds that no training lesson uses. Where a figure is under its floor, the
training was too short for it: the losses were still falling when it ended.

{scores}
"""


def scores(report: dict[str, Any]) -> str:
    """The evaluation's figures beside the floors they are held against."""
    rows = ["| | measured | floor |", "|---|---|---|"]
    if direct := report.get("direct"):
        count = direct["count"]
        share = direct["objects"]
        rows.append(f"| direct: objects and colours right ({count} prompts) | {share:.3f} | 0.70 |")
        rows.append(
            f"| direct: everything right, relations and background too | {direct['everything']:.3f} | |"
        )
    if process := report.get("process"):
        count = process["count"]
        rows.append(
            f"| process: well-formed trajectory ({count} prompts) | {process['well_formed']:.3f} | 0.98 |"
        )
        rows.append(f"| process: objects and colours right | {process['objects']:.3f} | |")
        rows.append(f"| process: pictures a trajectory | {process['images']:.2f} | |")
        rows.append(f"| process: seconds a trajectory | {process['seconds']:.1f} | |")
    if edits := report.get("edits"):
        kinds = ", ".join(f"{kind} {value:.2f}" for kind, value in edits["by_kind"].items())
        rows.append(f"| an edited plan is obeyed ({edits['count']} edits) | {edits['obeyed']:.3f} | 0.60 |")
        rows.append(f"| … by kind | {kinds} | |")
    return "\n".join(rows)


def stage_rows(stages: list[dict[str, Any]]) -> str:
    """The stages of ``training.json`` as a table."""
    rows = ["| stage | machine | minutes | steps | shown | came out |", "|---|---|---|---|---|---|"]
    for stage in stages:
        if stage["stage"] == "autoencoder":
            shown, out = "fresh scenes", f"PSNR {stage['psnr']:.1f} dB"
        else:
            shown = f"{stage['noised_pictures']:,} noised pictures of {stage['shards']} shards"
            out = f"error {stage['velocity_error']['direct']:.3f}"
        cells = [stage["stage"], stage["machine"], f"{stage['minutes']:.0f}", str(stage["steps"]), shown, out]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def write_card(target: Path) -> None:
    """Writes ``target/README.md`` from the checkpoint's own ``training.json`` and ``evaluation.json``."""
    report = json.loads((target / "evaluation.json").read_text())
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
