"""A report as one HTML file: tables of every suite in it, and under each the pictures of its newest runs.

Every text is escaped, pictures are inside the file, nothing is fetched and nothing runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, islice, zip_longest
from typing import Any

from jinja2 import Environment

from engine.lab.evaluation.results import Report
from engine.lab.evaluation.statistics import Summary
from engine.lab.evaluation.suite import Row

SHOWN = 48
"""Pictures of a run."""

Drawn = Mapping[tuple[str, str], Sequence[Row]]
"""The rows of runs, by suite and protocol."""

TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Restroke: evaluation</title>
<style>
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
</style>
</head>
<body>
<h1>Evaluation</h1>
<p>By the judge of the storybook world. Brackets: 95% intervals, bootstrapped over prompts; where all prompts
came out alike they have no width.</p>
{% for suite in suites %}
<h2>{{ suite.name }}</h2>
<div class="wide"><table>
<tr><th></th>{% for protocol in suite.figures %}<th>{{ protocol }}</th>{% endfor %}</tr>
{% for tag in suite.tags %}
<tr><th>{{ tag }}</th>
{%- for figures in suite.figures.values() %}
{%- if tag in figures and figures[tag].mean is not none %}
<td class="number">{{ "%.3f" | format(figures[tag].mean) }}
<span class="soft">{{ figures[tag] | spread }}</span></td>
{%- else %}
<td class="soft">none</td>
{%- endif %}
{%- endfor %}
</tr>
{% endfor %}
</table></div>
{% for protocol, about in suite.runs.items() %}
<p class="soft">{{ protocol }}. {{ about | facts }}</p>
{% endfor %}
{% for protocol, pictures in suite.pictures.items() if pictures %}
<h3>pictures, {{ protocol }}</h3>
<div class="pictures">
{% for picture in pictures %}
{% set verdict = {True: "right", False: "wrong"}.get(picture.right, "") %}
<figure class="{{ verdict }}"><img alt="" src="data:image/png;base64,{{ picture.png }}"><figcaption>
{%- if verdict %}<span class="soft">{{ verdict }}</span> {% endif %}{{ picture.caption -}}
</figcaption></figure>
{% endfor %}
</div>
{% endfor %}
{% if suite.without_pictures %}
<p class="soft">Pictures of {{ suite.without_pictures | join(", ") }} were drawn by an earlier command and not
kept: the suite by name (--suite) draws them again.</p>
{% endif %}
{% endfor %}
</body>
</html>
"""


def page(report: Report, drawn: Drawn) -> str:
    """The whole page. ``drawn`` are those of the report's runs whose pictures are at hand."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"spread": _spread, "facts": _facts}
    suites = [
        _suite(name, report.get(name, {}), runs, drawn) for name, runs in report.get("runs", {}).items()
    ]
    return environment.from_string(TEMPLATE).render(suites=suites)


def _suite(name: str, figures: Mapping[str, Any], runs: Mapping[str, Any], drawn: Drawn) -> dict[str, Any]:
    """What the page shows of a suite."""
    return {
        "name": name,
        "figures": figures,
        "tags": dict.fromkeys(tag for protocol in figures for tag in figures[protocol]),
        "runs": runs,
        "pictures": {protocol: _pictures(rows) for (suite, protocol), rows in drawn.items() if suite == name},
        "without_pictures": [one for one in runs if one in figures and (name, one) not in drawn],
    }


def _spread(summary: Summary) -> str:
    low, high = summary["ci95"]
    middle = f", median {summary['median']:g}" if summary.get("median") is not None else ""
    return f"[{low:.3f}, {high:.3f}]{middle} n = {summary['n']}"


def _facts(about: Mapping[str, Any]) -> str:
    """The run in a line; what fills lists stays in the JSON."""
    facts = {name: value for name, value in about.items() if not isinstance(value, dict | list)}
    if fingerprint := about.get("fingerprint"):
        facts["checkpoint"] = str(fingerprint["checkpoint"])[:12]
    return " · ".join(f"{name}: {value}" for name, value in facts.items())


def _pictures(rows: Sequence[Row]) -> list[Mapping[str, Any]]:
    """The first pictures of cases that went right and of cases that did not, in turn."""
    cases = [row.get("shown", []) for row in rows]
    fine = [case for case in cases if all(picture["right"] is not False for picture in case)]
    rest = [case for case in cases if case not in fine]
    in_turn = chain.from_iterable(zip_longest(fine, rest, fillvalue=()))
    return list(islice(chain.from_iterable(in_turn), SHOWN))
