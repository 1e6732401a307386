"""The wheel, installed in a fresh environment away from the checkout, opens the studio on the default model.

torch and the other libraries are those of this environment, named in a ``.pth`` file. It leaves out
the link to the checkout that an editable install puts beside them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATIENCE = 120
"""Seconds for what takes some ten on a machine that does nothing else."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, because a build leaves files beside its sources."""
    made = tmp_path_factory.mktemp("source")
    for name in ("app.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, made)
    for name in ("assets", "benchmarks", "docs", "engine", "sessions", "studio", "tests/studio"):
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__"))
    return made


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", target, source]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, timeout=PATIENCE)
    [found] = target.glob("restroke-*.whl")
    return found


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment in which the wheel is installed."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, symlinks=True)
    install = ["--python", str(place / "bin/python"), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([sys.executable, "-m", "pip", *install, str(wheel)], check=True, timeout=PATIENCE)
    [packages] = place.glob("lib/python*/site-packages")
    here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "libraries.pth").write_text("\n".join(sorted(here)) + "\n")
    return place / "bin"


def elsewhere() -> dict[str, str]:
    """An environment that doesn't lead back to the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GRADIO_"))}
    return {**kept, "OMP_NUM_THREADS": "1"}


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=elsewhere(), capture_output=True, text=True, timeout=PATIENCE
    )


def test_it_holds_all_that_the_studio_needs_and_nothing_else(source: Path, wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"app.py", "assets", "engine", "sessions", "studio"}
    for folder in ("assets", "engine", "sessions", "studio"):
        here = {
            path.relative_to(source).as_posix() for path in source.glob(f"{folder}/**/*") if path.is_file()
        }
        assert not here - set(names)
    assert any(re.fullmatch(r"studio/static/\w+/\w+\.js", name) for name in names), "folders in static, too"


class Studio:
    """The installed studio, running; what it prints goes to a file."""

    def __init__(self, scripts: Path, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.printed = f"http://127.0.0.1:{port}/", folder / "printed"
        command = [scripts / "restroke", "--port", str(port), "--home", folder / "home"]
        with self.printed.open("w") as printed:
            self.process = subprocess.Popen(
                command, cwd=folder, env=elsewhere(), stdout=printed, stderr=subprocess.STDOUT
            )

    def wait_for(self, words: str) -> None:
        until = time.monotonic() + PATIENCE
        while words not in self.printed.read_text(encoding="utf-8"):
            assert self.process.poll() is None and time.monotonic() < until, self.printed.read_text()
            time.sleep(0.1)

    def get(self, path: str = "") -> str:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            assert answer.status == 200
            return answer.read().decode()


@pytest.fixture
def studio(scripts: Path, tmp_path: Path) -> Iterator[Studio]:
    running = Studio(scripts, tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


def test_the_studio_opens_on_the_default_model(studio: Studio, scripts: Path, tmp_path: Path):
    where = run(
        [scripts / "python", "-c", "import engine, app; print(engine.__file__, app.__file__)"], tmp_path
    )
    assert all(Path(found).is_relative_to(scripts.parent) for found in where.stdout.split()), where
    studio.wait_for("is open at")
    files = set(re.findall(r"studio/assets/[\w/.-]+", studio.get()))
    assert any(name.endswith(".css") for name in files)
    for name in files | {"studio/assets/app/main.js"}:
        studio.get(name)
    studio.wait_for("parameters")  # the line about the model
    studio.process.send_signal(signal.SIGINT)
    assert studio.process.wait(PATIENCE) == 0
    assert "Restroke is closed." in studio.printed.read_text(encoding="utf-8")
    checked = run([scripts / "restroke", "doctor", "--home", tmp_path / "home"], tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_benchmarks_are_not_in_it(scripts: Path, tmp_path: Path):
    told = run([scripts / "restroke", "bench"], tmp_path)
    assert told.returncode == 2 and "needs a checkout" in told.stderr
