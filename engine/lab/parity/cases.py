"""The recorded cases of a folder, each run and compared; a case becomes a row of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.lab.parity import basics, pictures, text, training
from engine.lab.parity.fixture import Fixture
from engine.lab.parity.golden import LEVEL, Check, Golden, stems

CASES: dict[str, Callable[[Fixture, Golden], None]] = {
    "tokens": basics.tokens,
    "preprocess": basics.preprocess,
    "vit": basics.vit,
    "vae": basics.vae,
    "text": text.text,
    "understand": text.understand,
    "prefill_image_cache": text.prefill_image_cache,
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
        return f"{row.case:<24} {'-':>10} {'-':>10}  {word(row.ok):<6} {row.remark}"
    worst = max(row.checks, key=lambda c: (not c.ok, c.threshold != LEVEL, c.badness))
    return (
        f"{row.case:<24} {worst.error:>10.2e} {worst.threshold:>10.0e}  {word(row.ok):<6} "
        f"{len(row.checks)} checks, closest: {worst.name}{'; ' + row.remark if row.remark else ''}"
    )


def word(ok: bool) -> str:
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
