"""``python -m engine.evaluation``: the floors of a storybook checkpoint, as JSON on standard output."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from engine.assets import default_checkpoint
from engine.evaluation.floors import examine_drawing, examine_edits
from engine.inference.painter import open_painter
from engine.settings import Settings


def main() -> None:
    p = argparse.ArgumentParser(prog="python -m engine.evaluation", description=__doc__)
    p.add_argument(
        "--checkpoint", type=Path, default=None, help="a checkpoint folder; the default one if left out"
    )
    p.add_argument("--device", default="cpu")
    p.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--direct", type=int, default=200, help="prompts drawn directly")
    p.add_argument("--process", type=int, default=100, help="prompts drawn step by step")
    p.add_argument("--edits", type=int, default=100, help="edited plans")
    p.add_argument("--json", type=Path, default=None, help="also write the report to this file")
    args = p.parse_args()
    painter = open_painter(args.checkpoint or default_checkpoint(), args.device, args.precision)
    base = Settings.from_dict(painter.sampling)
    report = {"fingerprint": painter.fingerprint, "settings": base.as_dict()}
    direct = Settings.from_dict(base.as_dict() | {"protocol": "direct"})
    if args.direct:
        report["direct"] = examine_drawing(painter, direct, count=args.direct, seed=args.seed)
        print(json.dumps({"direct": report["direct"]}), flush=True)
    if args.process:
        report["process"] = examine_drawing(painter, base, count=args.process, seed=args.seed)
        print(json.dumps({"process": report["process"]}), flush=True)
    if args.edits:
        report["edits"] = examine_edits(painter, base, count=args.edits, seed=args.seed)
    text = json.dumps(report, indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
