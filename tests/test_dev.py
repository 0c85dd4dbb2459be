"""`dev.py`, the way in from a fresh clone; and what `make demo` shows."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "dev.py"


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, with a clone of its own in `tmp_path` and a log of commands in place of their execution."""
    spec = importlib.util.spec_from_file_location("dev_under_test", SOURCE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "installed.sha256")
    module.called = []
    monkeypatch.setattr(module, "call", lambda *words, env=None: module.called.append(" ".join(map(str, words))))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("CHROMIUM", raising=False)
    return module


@pytest.fixture
def ready(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As `dev`, with an environment that works but has nothing installed."""
    dev.VENV.mkdir()
    monkeypatch.setattr(dev, "works", lambda *command: True)
    return dev


def nothing_found(name: str) -> None:
    return None


def test_an_old_python_can_read_the_file_as_far_as_its_message() -> None:
    ast.parse(SOURCE.read_text(), feature_version=(3, 7))


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(SOURCE.read_text())
    names = {a.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)


def test_make_has_a_target_for_every_command(dev: ModuleType) -> None:
    (line,) = re.findall(r"^(.*):\n\t@\$\(PYTHON\) dev\.py \$@$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line.split() == list(dev.COMMANDS)


def test_an_unknown_command_lists_the_known_ones(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        dev.main(["tset"])
    assert end.value.code == 2
    assert "test-long" in capsys.readouterr().err


def test_an_old_python_hands_over_to_a_newer_one(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "NEEDED", (99, 0))
    monkeypatch.setattr(dev, "newer_python", lambda: "/opt/python99")
    monkeypatch.setattr(dev.subprocess, "call", lambda command: dev.called.append(command) or 7)
    assert dev.main(["demo"]) == 7
    assert dev.called == [["/opt/python99", str(SOURCE), "demo"]]


def test_an_old_python_alone_says_what_to_type(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "NEEDED", (99, 0))
    monkeypatch.setattr(dev, "newer_python", lambda: None)
    assert dev.main(["demo"]) == 1
    assert "make demo PYTHON=" in capsys.readouterr().out


def test_the_project_is_installed_once_until_its_description_changes(ready: ModuleType) -> None:
    ready.environment()
    assert len(ready.called) == 1 and "--editable .[dev]" in ready.called[0]
    ready.environment()
    assert len(ready.called) == 1
    (ready.ROOT / "pyproject.toml").write_text("[project]\nname = 'y'\n")
    ready.environment()
    assert len(ready.called) == 2


def test_an_installation_that_broke_off_is_made_again(ready: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*words: object, env: object = None) -> None:
        raise ready.Stop("no network")

    with monkeypatch.context() as patch, pytest.raises(ready.Stop):
        patch.setattr(ready, "call", broken)
        ready.environment()
    ready.environment()
    assert len(ready.called) == 1


def test_a_machine_without_a_layout_wheel_is_fine(
    ready: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ready, "works", lambda *command: "fast-sugiyama>=0.5" not in command)
    ready.environment()
    assert ready.STAMP.exists()
    assert "built-in layout" in capsys.readouterr().out


def test_a_python_that_makes_no_environments_names_the_command(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "works", lambda *command: False)
    monkeypatch.setattr(dev, "may_install", lambda: False)
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None)
    with pytest.raises(dev.Stop, match=r"sudo apt-get install -y python3\.\d+-venv"):
        dev.environment()
    assert dev.called == []


def test_as_root_what_is_missing_is_installed(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "works", lambda *command: False)
    monkeypatch.setattr(dev, "may_install", lambda: True)
    monkeypatch.setattr(dev, "is_root", lambda: True)
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None)
    dev.make_venv()
    assert dev.called[0] == "apt-get update"
    assert re.fullmatch(r"apt-get install -y python3\.\d+-venv", dev.called[1])
    assert dev.called[2] == f"{sys.executable} -m venv --clear {dev.VENV}"


def test_a_named_browser_is_taken(dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = tmp_path / "my-chrome"
    browser.touch()
    monkeypatch.setenv("CHROMIUM", str(browser))
    assert dev.chromium() == str(browser)


def test_a_named_browser_that_is_not_there_is_an_error(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chrome")
    with pytest.raises(dev.Stop, match="/nowhere/chrome"):
        dev.chromium()


def test_without_a_browser_a_user_gets_the_command_and_nothing_is_installed(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "CHROMIUM_PLACES", ())
    monkeypatch.setattr(dev, "may_install", lambda: False)
    monkeypatch.setattr(dev, "is_root", lambda: False)
    monkeypatch.setattr(dev.shutil, "which", lambda name: "/usr/bin/dnf" if name == "dnf" else None)
    with pytest.raises(dev.Stop, match=r"Type: sudo dnf install -y chromium$"):
        dev.chromium()
    assert dev.called == []


def test_in_ci_a_missing_browser_is_installed(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def which(name: str) -> str | None:
        installed = "apt-get install -y chromium" in dev.called
        return f"/usr/bin/{name}" if name == "apt-get" or (name == "chromium" and installed) else None

    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(dev, "CHROMIUM_PLACES", ())
    monkeypatch.setattr(dev, "is_root", lambda: True)
    monkeypatch.setattr(dev.shutil, "which", which)
    assert dev.chromium() == "/usr/bin/chromium"
    assert dev.called == ["apt-get update", "apt-get install -y chromium"]


def test_no_browser_and_no_package_manager_says_so(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "CHROMIUM_PLACES", ())
    monkeypatch.setattr(dev.shutil, "which", nothing_found)
    with pytest.raises(dev.Stop, match="set CHROMIUM"):
        dev.chromium()


def test_the_suite_ends_in_one_pytest_run(ready: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "chromium", lambda: "/usr/bin/chromium")
    assert ready.main(["test"]) == 0
    tools = [re.search(r"-m (\w+ ?\w*)", command) for command in ready.called]
    assert [found.group(1) for found in tools if found] == [
        "pip install",
        "ruff check",
        "ruff format",
        "mypy ",
        "pytest ",
    ]


def test_a_command_that_fails_is_named(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise dev.Stop("`ruff check .` ended with exit code 1")

    dev.COMMANDS["lint"] = fail
    assert dev.main(["lint"]) == 1
    assert "ruff check ." in capsys.readouterr().err


@pytest.mark.timeout(420)
def test_the_demo_kills_a_kernel_and_resumes_without_doing_anything_twice(tmp_path: Path) -> None:
    notebooks = ROOT / "notebooks"
    command = [sys.executable, notebooks / "demo.py", notebooks / "01_first_agent.ipynb", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    account = done.stdout
    assert re.search(r"^study study-\w+: done$", account, re.MULTILINE)
    assert "was killed (SIGKILL) while it asked: Under which name" in account
    assert re.search(r"load, after attempt 1: ConnectionError", account)
    counts = re.search(r"nodes +(\d+): (\d+) run in the second kernel, (\d+) reused", account)
    assert counts
    nodes, ran, reused = map(int, counts.groups())
    assert nodes == ran + reused and nodes >= 12 and reused >= 12
    saved = re.findall(r"\(\w+, [\d,]+ bytes\): (.+)$", account, re.MULTILINE)
    assert len(saved) >= 3 and all(Path(path).is_file() for path in saved)
