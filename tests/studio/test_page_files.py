"""The page's own files: every one is used, and its folders build on each other in one direction."""

from __future__ import annotations

import re
from pathlib import Path

from studio.shell import HEAD, ON_LOAD

STATIC = Path(__file__).resolve().parents[2] / "studio" / "static"
LAYERS = (
    {"app"},
    {"session"},
    {"home", "timeline", "picture", "tree"},
    {"dialogs", "state"},
    {"lib"},
)
"""From what is made of everything down to what knows nothing of Restroke; a file imports from its own folder
and from layers below."""


def imports(file: Path) -> list[Path]:
    found = re.findall(r'^import .* from "(\.[^"]+)";$', file.read_text("utf-8"), re.MULTILINE)
    return [(file.parent / name).resolve() for name in found]


def test_every_script_is_reached_from_where_the_page_begins():
    (entry,) = re.findall(r"studio/assets/(\S+\.js)", ON_LOAD)
    waiting, reached = [STATIC / entry], set()
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting += imports(file)
    assert reached == set(STATIC.rglob("*.js"))


def test_every_style_and_icon_is_named_in_the_head():
    named = {STATIC / name for name in re.findall(r'href="studio/assets/([^"]+)"', HEAD)}
    assert named == {*STATIC.rglob("*.css"), *STATIC.rglob("*.svg")}


def test_the_folders_build_on_each_other_in_one_direction():
    level = {folder: depth for depth, layer in enumerate(LAYERS) for folder in layer}
    for file in STATIC.rglob("*.js"):
        for other in imports(file):
            here, there = file.parent.name, other.parent.name
            assert here == there or level[here] < level[there], f"{file} must not import {other}"
