"""How a checkpoint came to be, stage by stage: ``training.json``, which travels in its folder.

A training that begins from a checkpoint takes these stages along, so a model card tells the whole story.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NAME = "training.json"


def read(folder: Path) -> list[dict[str, Any]]:
    """The finished stages in ``folder``, oldest first; none if there is no such file."""
    path = folder / NAME
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def write(folder: Path, stages: list[dict[str, Any]]) -> None:
    (folder / NAME).write_text(json.dumps(stages, indent=1) + "\n", encoding="utf-8")


def gather(work: Path, *, seed: int, machine: str) -> list[dict[str, Any]]:
    """The stages that ``work`` began with, and the stages that ran in it."""
    stages = read(work)
    here = {"seed": seed, "machine": machine}
    for stage in ("autoencoder", "decoder", "unified"):
        log = work / f"{stage}.json"
        if not log.exists():
            continue
        found = json.loads(log.read_text())
        name = "unified" if stage == "unified" else "autoencoder"
        entry = {"stage": name, "minutes": round(found["seconds"] / 60, 1), "steps": found["steps"]} | here
        if stage != "unified":
            last = found["curve"][-1]
            entry |= {"trained": "decoder alone"} if stage == "decoder" else {}
            entry |= {"psnr": round(last["psnr"], 2), "ssim": round(last["ssim"], 4)}
        else:
            entry |= {
                "keeps_clear": True,  # of the scenes it is measured on: engine.lab.training.data.split
                "noised_pictures": found["images"],
                "shards": len(list((work / "shards").glob("*/shard-*.json"))),
                "velocity_error": {
                    family: round(velocity, 4) for family, (_, velocity, _) in found["means"].items()
                },
            }
        stages.append(entry)
    return stages
