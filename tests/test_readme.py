"""What the README says is true: its code runs, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(README) if kind == language]


def has_magic(block: str) -> bool:
    return any(line.startswith(("%", "!")) for line in block.splitlines())


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert {kind for kind, _ in BLOCK.findall(README)} <= {"python", "console"}
    assert README.count("```") == 2 * len(BLOCK.findall(README))


def test_the_python_blocks_run_in_a_script_one_after_the_other(tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    script.write_text("\n".join(block for block in blocks("python") if not has_magic(block)))
    done = run(script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_python_blocks_run_in_ipython_magics_included(tmp_path: Path) -> None:
    magics = [block for block in blocks("python") if has_magic(block)]
    plain = [block for block in blocks("python") if not has_magic(block)]
    assert magics and plain
    script = tmp_path / "readme.ipy"
    script.write_text("\n".join([*magics, *plain, "%aether"]))
    done = run("-m", "IPython", "--no-banner", "--colors=NoColor", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stdout, done.stdout
    assert "review" in done.stdout  # the table of runs


def test_the_example_is_ten_lines_of_code() -> None:
    assert "## Ten lines" in README
    first = next(block for block in blocks("python") if not has_magic(block))
    lines = [line for line in first.splitlines() if line.strip()]
    assert len(lines) <= 10


@pytest.mark.parametrize(
    "line", [line for block in blocks("console") for line in block.splitlines() if line[:2] == "$ "]
)
def test_a_command_that_is_shown_exists(line: str) -> None:
    command = line.removeprefix("$ ").partition("#")[0].split()
    if command[0] == "make":
        assert command[1] in (ROOT / "Makefile").read_text().partition(":")[2]
    elif command[0] == "aether":  # what it prints is looked at in tests/cli/test_documents.py
        done = run("-m", "aethergraph.cli", command[1], "--help", cwd=ROOT)
        assert done.returncode == 0, done.stderr
    else:
        name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
        assert command == ["pip", "install", name]


def test_commands_without_make_are_those_of_make() -> None:
    shown = re.findall(r"python3\s+dev\.py\s+(\w+)", README)
    assert set(shown) == {"demo", "test", "lab"}


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_a_link_leads_to_a_file_of_this_repository(target: str) -> None:
    assert (ROOT / target).is_file()
