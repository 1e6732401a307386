"""A report as one HTML file: tables of every suite in it, and under each the pictures of its newest runs.

Every text is escaped, pictures are inside the file, nothing is fetched and nothing runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import chain, islice, zip_longest
from typing import Any

from engine.lab.evaluation.results import Report
from engine.lab.evaluation.statistics import Summary
from engine.lab.evaluation.suite import Row

SHOWN = 48
"""Pictures of a run."""

Drawn = Mapping[tuple[str, str], Sequence[Row]]
"""The rows of runs, by suite and protocol."""

STYLE = """
:root { color-scheme: light dark; --paper: #fbf8f1; --ink: #2c2825; --soft: #7a7168; --line: #ded6c8;
  --right: #3f7d4e; --wrong: #b5472f; }
@media (prefers-color-scheme: dark) { :root { --paper: #1f1c1a; --ink: #ece5da; --soft: #a0968a;
  --line: #3d3833; --right: #7fbf8c; --wrong: #e58a70; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { font-weight: 600; } h2 { margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: .25rem .8rem; text-align: left;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
td.number { font-variant-numeric: tabular-nums; } .soft { color: var(--soft); font-size: .85em; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: 9rem; }
figure img { width: 9rem; border-radius: 6px; border: 2px solid var(--line); }
figure.right img { border-color: var(--right); } figure.wrong img { border-color: var(--wrong); }
figcaption { font-size: .8em; overflow-wrap: anywhere; }
"""


def page(report: Report, drawn: Drawn) -> str:
    """The whole page. ``drawn`` are those of the report's runs whose pictures are at hand."""
    runs = report.get("runs", {})
    body = [
        _suite(name, report.get(name, {}), runs[name])
        + "".join(_pictures(protocol, rows) for (suite, protocol), rows in drawn.items() if suite == name)
        + _without_pictures(
            [one for one in runs[name] if one in report.get(name, {}) and (name, one) not in drawn]
        )
        for name in runs
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Restroke: evaluation</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        "<h1>Evaluation</h1>\n<p>By the judge of the storybook world. Brackets: 95% intervals, bootstrapped "
        "over prompts; where all prompts came out alike they have no width.</p>\n"
        f"{''.join(body)}</body>\n</html>\n"
    )


def _suite(name: str, figures: Mapping[str, Any], runs: Mapping[str, Any]) -> str:
    protocols = list(figures)
    tags = dict.fromkeys(tag for protocol in protocols for tag in figures[protocol])
    head = "".join(f"<th>{escape(protocol)}</th>" for protocol in protocols)
    lines = []
    for tag in tags:
        cells = "".join(_cell(figures[protocol].get(tag)) for protocol in protocols)
        lines.append(f"<tr><th>{escape(tag)}</th>{cells}</tr>\n")
    notes = "".join(_run(protocol, about) for protocol, about in runs.items())
    return (
        f'<h2>{escape(name)}</h2>\n<div class="wide"><table>\n<tr><th></th>{head}</tr>\n'
        f"{''.join(lines)}</table></div>\n{notes}"
    )


def _cell(summary: Summary | None) -> str:
    if summary is None or summary["mean"] is None:
        return '<td class="soft">none</td>'
    low, high = summary["ci95"]
    middle = f", median {summary['median']:g}" if summary.get("median") is not None else ""
    return (
        f'<td class="number">{summary["mean"]:.3f} '
        f'<span class="soft">[{low:.3f}, {high:.3f}]{middle} n = {summary["n"]}</span></td>'
    )


def _run(protocol: str, about: Mapping[str, Any]) -> str:
    """The run in a line; what fills lists stays in the JSON."""
    facts = {name: value for name, value in about.items() if not isinstance(value, dict | list)}
    if fingerprint := about.get("fingerprint"):
        facts["checkpoint"] = str(fingerprint["checkpoint"])[:12]
    words = " · ".join(f"{name}: {value}" for name, value in facts.items())
    return f'<p class="soft">{escape(protocol)}. {escape(words)}</p>\n'


def _pictures(protocol: str, rows: Sequence[Row]) -> str:
    """The first pictures of cases that went right and of cases that did not, in turn."""
    cases = [row.get("shown", []) for row in rows]
    fine = [case for case in cases if all(picture["right"] is not False for picture in case)]
    rest = [case for case in cases if case not in fine]
    in_turn = chain.from_iterable(zip_longest(fine, rest, fillvalue=()))
    figures = [_figure(picture) for picture in islice(chain.from_iterable(in_turn), SHOWN)]
    if not figures:
        return ""
    return f'<h3>pictures, {escape(protocol)}</h3>\n<div class="pictures">\n{"".join(figures)}</div>\n'


def _without_pictures(protocols: Sequence[str]) -> str:
    """Of which runs the figures alone are at hand."""
    if not protocols:
        return ""
    return (
        f'<p class="soft">Pictures of {escape(", ".join(protocols))} were drawn by an earlier command and '
        "not kept: the suite by name (--suite) draws them again.</p>\n"
    )


def _figure(picture: Mapping[str, Any]) -> str:
    verdict = {True: "right", False: "wrong", None: ""}[picture["right"]]
    says = f'<span class="soft">{verdict}</span> ' if verdict else ""
    return (
        f'<figure class="{verdict}"><img alt="" src="data:image/png;base64,{escape(picture["png"])}">'
        f"<figcaption>{says}{escape(picture['caption'])}</figcaption></figure>\n"
    )
