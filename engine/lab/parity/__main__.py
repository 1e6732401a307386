"""``python -m engine.lab.parity DIR``: every case recorded in a folder, as a table. Exit code 1 if any fails."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.checkpoints.errors import CheckpointError
from engine.lab.parity import basics, pictures, training, words
from engine.lab.parity.fixture import Fixture
from engine.lab.parity.golden import LEVEL, Check, Golden, stems

CASES: dict[str, Callable[[Fixture, Golden], None]] = {
    "tokens": basics.tokens,
    "preprocess": basics.preprocess,
    "vit": basics.vit,
    "vae": basics.vae,
    "text": words.text,
    "understand": words.understand,
    "prefill_image_cache": words.prefill_image_cache,
    "t2i_batch2": pictures.batch_of_two,
    "irg": pictures.irg,
    "train": training.run,
}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: str
    ok: bool
    checks: tuple[Check, ...] = ()
    remark: str = ""


def runner_of(golden: Golden) -> Callable[[Fixture, Golden], None] | None:
    """How to run a case: by its name, else by holding what every generation holds. None if it is unknown."""
    if golden.stem in CASES:
        return CASES[golden.stem]
    if isinstance(golden.json, dict) and {"inputs", "params", "context"} <= set(golden.json):
        return pictures.generation
    return None


def run_case(fixture: Fixture, stem: str) -> Row:
    """Runs one case; whatever goes wrong in it becomes its row."""
    try:
        golden = Golden(fixture.golden, stem)
        runner = runner_of(golden)
        if runner is None:
            return Row(stem, False, remark="unknown kind of case")
        runner(fixture, golden)
    except Exception as error:  # a broken recording must be a failed row, not the end of the table
        return Row(stem, False, remark=f"{type(error).__name__}: {error}")
    left = golden.left_over()
    checks = tuple(golden.checks)
    remark = f"recorded but not compared: {', '.join(left)}" if left else ""
    return Row(stem, all(c.ok for c in checks) and bool(checks) and not left, checks, remark)


def line(row: Row) -> str:
    """The table's line: the check nearest to its threshold stands for the case; grey levels come last."""
    if not row.checks:
        return f"{row.case:<24} {'-':>10} {'-':>10}  {_word(row.ok):<6} {row.remark}"
    worst = max(row.checks, key=lambda c: (not c.ok, c.threshold != LEVEL, c.badness))
    return (
        f"{row.case:<24} {worst.error:>10.2e} {worst.threshold:>10.0e}  {_word(row.ok):<6} "
        f"{len(row.checks)} checks, closest: {worst.name}{'; ' + row.remark if row.remark else ''}"
    )


def _word(ok: bool) -> str:
    return "ok" if ok else "FAILED"


def run_folder(
    folder: Path, vae: tuple[int, int, int] | None = None, vit: tuple[int, int, int] | None = None
) -> list[Row]:
    """Runs every case of a recorded folder. Raises ``CheckpointError`` or ``ValueError`` if none can run."""
    if not (folder / "golden").is_dir():
        raise ValueError(
            f"{folder} has no golden/ folder; give the folder that holds ckpt/, inputs/ and golden/"
        )
    names = stems(folder / "golden")
    if not names:
        raise ValueError(f"{folder}/golden holds no recorded cases")
    fixture = Fixture(folder, vae, vit)
    return [run_case(fixture, name) for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m engine.lab.parity", description=__doc__.replace("``", "")
    )
    parser.add_argument("folder", type=Path, help="a folder with ckpt/, inputs/ and golden/")
    for kind in ("vae", "vit"):
        help_text = f"{kind.upper()} transform, when it can't be inferred"
        parser.add_argument(
            f"--{kind}-transform", nargs=3, type=int, metavar=("MAX", "MIN", "STRIDE"), help=help_text
        )
    parser.add_argument("--verbose", action="store_true", help="print every check")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        rows = run_folder(options.folder, options.vae_transform, options.vit_transform)
    except (CheckpointError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:  # recordings that every case needs may be broken in any way
        print(f"{options.folder} can't be run: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"{'case':<24} {'max error':>10} {'threshold':>10}  result")
    for row in rows:
        print(line(row))
        for check in row.checks if options.verbose else ():
            print(f"    {check.error:>10.2e} {check.threshold:>10.0e}  {_word(check.ok):<6} {check.name}")
    failed = sum(not row.ok for row in rows)
    print(f"{len(rows)} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
