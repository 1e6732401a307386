"""Rules that hold over the whole tree: who may import whom, and that nothing is ever pickled."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
PICKLING = {"torch.load", "torch.save"}


def pickling_calls(source: str) -> list[str]:
    """Calls that read or write pickled files, as they are spelled."""
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in calls if call in PICKLING or call.startswith(("pickle.", "cPickle.", "dill."))]


def test_imports_keep_the_contracts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_weights_and_data_are_never_pickled() -> None:
    caught = pickling_calls("torch.load(path)\npickle.dumps(x)\njson.loads(y)")
    assert caught == ["torch.load", "pickle.dumps"]
    rooms = ("studio", "engine", "sessions", "benchmarks")
    files = [ROOT / "app.py", *(path for room in rooms for path in (ROOT / room).rglob("*.py"))]
    assert len(files) > 100
    found = {path: pickling_calls(path.read_text(encoding="utf-8")) for path in files}
    assert not {path: calls for path, calls in found.items() if calls}
