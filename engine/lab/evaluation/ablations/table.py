"""An ablation as a table: a line a variant, a column a figure; written as JSON and Markdown side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.lab.evaluation.statistics import Summary

Figures = Mapping[str, Summary]


@dataclass(frozen=True)
class Table:
    """``rows`` are figures by variant. ``about`` says how they came: command, date, seconds, weights."""

    name: str
    sentence: str
    rows: Mapping[str, Figures]
    about: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        rows = {variant: dict(figures) for variant, figures in self.rows.items()}
        return {"ablation": self.name, "sentence": self.sentence, "rows": rows, "about": dict(self.about)}

    def markdown(self) -> str:
        columns = list(dict.fromkeys(column for figures in self.rows.values() for column in figures))
        lines = [
            f"# {self.sentence}",
            "",
            f"`{self.about['command']}`, {self.about['date'][:10]}, {self.about['seconds']:.0f} s. "
            "Brackets hold 95% intervals, bootstrapped over prompts.",
            "",
            f"| | {' | '.join(columns)} |",
            "|---" * (len(columns) + 1) + "|",
        ]
        for variant, figures in self.rows.items():
            lines.append(f"| {variant} | {' | '.join(_cell(figures.get(column)) for column in columns)} |")
        return "\n".join(lines) + "\n"


def _cell(figure: Summary | None) -> str:
    if figure is None or figure["mean"] is None:
        return ""
    low, high = figure["ci95"]
    return f"{figure['mean']:.3f} [{low:.3f}, {high:.3f}] n = {figure['n']}"


def write(table: Table, folder: Path) -> list[Path]:
    """``NAME.json`` and ``NAME.md`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        folder / f"{table.name}.json": json.dumps(table.as_dict(), indent=1, ensure_ascii=False) + "\n",
        folder / f"{table.name}.md": table.markdown(),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)
