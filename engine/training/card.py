"""The model card of a storybook checkpoint, from the numbers that training and evaluation left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.training import recipe
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

`python -m engine.training all`, seed {seed}, on {machine}.

| stage | how long | what came out |
|---|---|---|
| autoencoder, {ae_parameters:.1f} M weights | {ae_minutes:.0f} min, {ae_steps} steps | PSNR {psnr:.1f} dB |
| unified model, {parameters:.1f} M weights | {minutes:.0f} min, {steps} steps | {losses} |

The minutes are wall clock on a machine with other work to do. The unified model saw {images} noised
pictures from {lessons} lessons. Weights are the moving average, in bf16. PSNR is over 16 held-out pictures.

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


def write_card(work: Path, target: Path, *, seed: int, machine: str, lessons: int) -> None:
    """Writes ``target/README.md`` from the logs in ``work`` and ``target/evaluation.json``."""
    autoencoder = json.loads((work / "autoencoder.json").read_text())
    unified = json.loads((work / "unified.json").read_text())
    report = json.loads((target / "evaluation.json").read_text())
    model = recipe.new_model(recipe.make_tokenizer(work, seed), seed)
    painter = recipe.load_autoencoder(work, "cpu")
    last = unified["curve"][-1]["ce/mse"]
    text = CARD.format(
        kinds=len(KINDS),
        colours=len(COLOURS),
        places=len(BACKGROUNDS),
        groups=painter.config.norm_groups,
        seed=seed,
        machine=machine,
        ae_parameters=sum(p.numel() for p in painter.parameters()) / 1e6,
        ae_minutes=autoencoder["seconds"] / 60,
        ae_steps=autoencoder["steps"],
        psnr=autoencoder["curve"][-1]["psnr"],
        parameters=sum(p.numel() for p in model.parameters()) / 1e6,
        minutes=unified["seconds"] / 60,
        steps=unified["steps"],
        losses=", ".join(f"{name} {mse:.3f}" for name, (_, mse) in last.items() if mse > 0),
        images=f"{unified['images']:,}",
        lessons=f"{lessons:,}",
        scores=scores(report),
    )
    (target / "README.md").write_text(text, encoding="utf-8")
