"""Who may know whom: design rules about imports, held over the whole tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("studio", "engine", "sessions", "benchmarks")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

# What a room (a path prefix) may not import, by module prefix.
FORBIDDEN = {
    "engine": ("gradio", "fastapi", "sqlalchemy", "alembic", "studio", "sessions", "app", "benchmarks"),
    "benchmarks": ("gradio", "fastapi", "sqlalchemy", "studio", "sessions", "app", "engine.lab.training"),
    "sessions": (
        "gradio", "fastapi", "torch", "transformers", "studio", "app", "benchmarks",
        "engine.model", "engine.inference", "engine.runs.runner", "engine.serving", "engine.checkpoints",
        "engine.lab.training", "engine.lab.storybook", "engine.lab.evaluation", "engine.protocols",
    ),
    "engine/core/trajectory.py": ("torch", "PIL", "numpy", "engine"),
    "engine/core/settings.py": ("torch", "PIL", "numpy", "engine"),
    "engine/protocols": ("torch", "PIL", "numpy", "engine.model", "engine.inference", "engine.lab.storybook"),
    "engine/lab/storybook": ("torch", "engine.model", "engine.inference", "engine.lab.training", "engine.protocols"),
    "engine/model": (
        "engine.protocols", "engine.inference", "engine.lab.storybook", "engine.lab.training", "engine.core.trajectory",
    ),
    "engine/checkpoints": ("engine.protocols", "engine.inference", "engine.lab.training", "engine.runs.runner"),
    "engine/checkpoints/progress.py": ("torch", "engine"),
    "engine/placement/profiles.py": ("torch", "engine"),
    "engine/placement/check.py": ("engine.lab.training", "engine.protocols", "engine.runs.runner"),
    "engine/core/image_sizes.py": ("torch", "PIL", "numpy", "engine"),
    "engine/runs/limits.py": ("torch", "PIL", "numpy", "engine.model", "engine.inference", "engine.lab.training"),
    "engine/runs/questions.py": ("torch", "engine.model", "engine.lab.training"),
    "engine/runs/runner.py": ("torch", "engine.model", "engine.lab.training"),
    "engine/serving": ("torch", "engine.model", "engine.lab.training", "engine.lab.storybook"),
    "engine/inference": ("engine.lab.training", "engine.lab.storybook", "engine.runs.runner", "engine.serving"),
}  # fmt: skip


def imports_of(path: Path) -> set[str]:
    """Every module a file names in an import, wherever in the file it stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def is_type_checking_only(path: Path, module: str) -> bool:
    """Whether a module is imported for annotations alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = [
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom | ast.Import)
    ]
    names = {getattr(node, "module", None) for node in guarded}
    return any(name and (module == name or module.startswith(name + ".")) for name in names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_knows_only_what_it_may(path: Path) -> None:
    place = str(path.relative_to(ROOT))
    broken = [
        module
        for prefix, banned in FORBIDDEN.items()
        if place == prefix or place.startswith(prefix + "/")
        for module in imports_of(path)
        for ban in banned
        if (module == ban or module.startswith(ban + ".")) and not is_type_checking_only(path, module)
    ]
    assert not broken, f"{place} may not import {sorted(set(broken))}"


def test_the_rule_catches_a_break(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from gradio import Blocks\n")
    assert "gradio" in imports_of(file)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_weights_and_data_are_never_pickled(path: Path) -> None:
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    assert not {"torch.load", "torch.save", "pickle.load", "pickle.loads", "pickle.dumps"} & set(calls)
