"""The wheel: what is in it, and that it works where nothing of this clone is on the path."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SCRIPT = """
import asyncio
from pathlib import Path

import aethergraph
import jupyter_ext
from aethergraph import graph_fn, run, tool

home = Path(aethergraph.__file__).parent.parent
assert Path(jupyter_ext.__file__).parent.parent == home, jupyter_ext.__file__


@tool(outputs=["total"])
def add(x, y):
    return x + y


@graph_fn(outputs=["total"])
async def study(x=1):
    once = await add(x, 1)
    return await add(once.total, 1)


print(home, run(study, x=40)["total"])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def files_of(package: Path) -> set[str]:
    kept = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in kept}


def test_it_holds_both_packages_whole_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == files_of(ROOT / "aethergraph") | files_of(ROOT / "jupyter_ext")


@pytest.mark.parametrize("name", ["static/run_view.js", "static/run_view.css", "py.typed"])
def test_it_holds_what_the_browser_and_type_checkers_need(wheel: Path, name: str) -> None:
    assert zipfile.ZipFile(wheel).getinfo(f"jupyter_ext/{name}").file_size or name == "py.typed"


def test_it_says_what_it_is_and_ships_its_licence(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    text = archive.read(metadata).decode()
    assert "Name: aethergraph-jupyter\n" in text
    assert "Requires-Python: >=3.11\n" in text
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_an_agent_runs_from_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    # The clone may be installed in this environment as editable: the path given here comes before it.
    env = {**os.environ, "PYTHONPATH": str(place), "AETHERGRAPH_HOME": str(tmp_path / "store")}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(place), "42"]
