#!/usr/bin/env python3
"""Everything a fresh clone needs: `python3 dev.py demo|lab|test|test-long|lint|build-js|docs`.

Needs Python 3.11 or later and nothing else: makes `.venv`, installs this project into it when `pyproject.toml` has
changed, and runs what was asked for. The file parses from Python 3.7 on, so that older ones get a sentence and no
SyntaxError.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.sha256"
NOTEBOOK = ROOT / "notebooks" / "01_first_agent.ipynb"
NEEDED = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")

CHROMIUM_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
CHROMIUM_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    r"C:\Program Files\Microsoft\Edge\Application\msedge.exe",
)
CHROMIUM_INSTALLERS = {  # package manager: the commands that install a Chromium with it
    "apt-get": ("apt-get update", "apt-get install -y chromium"),
    "dnf": ("dnf install -y chromium",),
    "pacman": ("pacman -S --noconfirm chromium",),
    "apk": ("apk add chromium",),
    "zypper": ("zypper install -y chromium",),
    "brew": ("brew install --cask chromium",),
    "winget": ("winget install --silent Google.Chrome",),
}


LONG = "AETHERGRAPH_LONG"  # the variable by which tests know that they may take minutes
PATIENCE_S = 600  # that a test may take where they may not, until its worker is given up


class Stop(Exception):
    """What is in the way, and the command to type."""


def say(text: str) -> None:
    """One line about what happens now."""
    print(f"dev: {text}", flush=True)


def call(*command: str | Path, env: dict[str, str] | None = None) -> None:
    """Run a command in the clone; one that fails ends everything."""
    words = [str(word) for word in command]
    code = subprocess.call(words, cwd=ROOT, env={**os.environ, **(env or {})})
    if code:
        raise Stop(f"`{' '.join(words)}` ended with exit code {code}")


def works(*command: str | Path) -> bool:
    """Whether a command can be run and exits with 0."""
    try:
        done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def is_root() -> bool:
    """Whether system packages can be installed without sudo (always so where there is no root)."""
    return not hasattr(os, "geteuid") or os.geteuid() == 0


def may_install() -> bool:
    """Whether it is all right to install system packages without asking: as root, or in CI."""
    return os.environ.get("CI", "").lower() in ("1", "true") or (hasattr(os, "geteuid") and os.geteuid() == 0)


def with_sudo(command: str) -> str:
    """A package manager's command as this user has to type it."""
    own = command.startswith(("brew ", "winget "))
    return command if own or is_root() else f"sudo {command}"


# The environment


def python() -> Path:
    """The interpreter of `.venv`."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_new_enough(interpreter: str | Path) -> bool:
    """Whether an interpreter starts and is a Python that this project supports."""
    return works(interpreter, "-c", f"import sys; sys.exit(sys.version_info < {NEEDED})")


def newer_python() -> str | None:
    """A Python on the path that is new enough, where the one that runs this file is not."""
    found = (shutil.which(name) for name in NEWER)
    return next((path for path in found if path and is_new_enough(path)), None)


def make_venv() -> None:
    """Make `.venv` with `venv`, else with `virtualenv`; where neither works, install or name what is missing."""
    say(f"making {VENV}")
    if works(sys.executable, "-m", "venv", "--clear", VENV) and works(python(), "-m", "pip", "--version"):
        return
    if works(sys.executable, "-m", "virtualenv", "--clear", VENV):
        return
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if shutil.which("apt-get") and may_install():
        say(f"this Python cannot make environments: installing {package}")
        for line in ("apt-get update", f"apt-get install -y {package}"):
            call(*with_sudo(line).split())
        call(sys.executable, "-m", "venv", "--clear", VENV)
        return
    fix = f"sudo apt-get install -y {package}" if shutil.which("apt-get") else "pipx install virtualenv"
    raise Stop(f"this Python ({sys.executable}) can make no environment with pip in it. Type: {fix}")


def wanted_stamp() -> str:
    """Changes when `.venv` has to be installed anew."""
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()


def environment() -> Path:
    """The interpreter of a `.venv` that holds this project and its `dev` extra, made or refreshed where needed."""
    if not (is_new_enough(python()) and works(python(), "-m", "pip", "--version")):
        make_venv()
    stamp = wanted_stamp()
    if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != stamp:
        say("installing aethergraph-jupyter and its tools (some minutes the first time)")
        pip: list[str | Path] = [python(), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        call(*pip, "--editable", ".[dev]")
        if not works(*pip, "--only-binary=:all:", "fast-sugiyama>=0.5"):
            say("no wheel of fast-sugiyama for this machine: the built-in layout draws the graphs")
        STAMP.write_text(stamp, encoding="utf-8")
    return python()


# Chromium


def find_chromium() -> str | None:
    """CHROMIUM, else an installed Chromium, Chrome or Edge."""
    named = os.environ.get("CHROMIUM")
    if named:
        if not (shutil.which(named) or Path(named).exists()):
            raise Stop(f"CHROMIUM is {named!r}, which does not exist")
        return named
    on_path = (shutil.which(name) for name in CHROMIUM_NAMES)
    placed = (place for place in CHROMIUM_PLACES if Path(place).exists())
    return next((path for path in on_path if path), None) or next(placed, None)


def chromium() -> str:
    """A browser for the tests; installed by the system's package manager where that may be done."""
    found = find_chromium()
    if found:
        return found
    manager = next((name for name in CHROMIUM_INSTALLERS if shutil.which(name)), None)
    if manager is None:
        raise Stop("the browser tests need Chromium, Chrome or Edge: install one, or set CHROMIUM to its path")
    commands = [with_sudo(line) for line in CHROMIUM_INSTALLERS[manager]]
    if not may_install():
        raise Stop(f"the browser tests need Chromium. Type: {' && '.join(commands)}")
    say("installing Chromium for the browser tests")
    for line in commands:
        call(*line.split())
    found = find_chromium()
    if found is None:
        raise Stop(f"`{commands[-1]}` worked, but no Chromium is to be found: set CHROMIUM to its path")
    return found


# The commands


def demo() -> None:
    """Run the first notebook, kill its kernel while a question is open, resume, and tell what happened."""
    call(environment(), ROOT / "notebooks" / "demo.py", NOTEBOOK)


def lab() -> None:
    """Open the first notebook in JupyterLab."""
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # in a container one often is
    call(environment(), "-m", "jupyterlab", *root, NOTEBOOK)


def lint() -> None:
    """Style, format and types."""
    call(environment(), "-m", "ruff", "check", ".")
    call(python(), "-m", "ruff", "format", "--check", ".")
    call(python(), "-m", "mypy", "--strict", "-p", "aethergraph", "-p", "jupyter_ext")


def test() -> None:
    """Lint, then the whole suite, browser included."""
    environment()
    browser = chromium()
    lint()
    patience = [] if os.environ.get(LONG) == "1" else ["-o", f"faulthandler_timeout={PATIENCE_S}"]
    call(python(), "-m", "pytest", "-n", "2", "--dist", "loadgroup", *patience, env={"CHROMIUM": browser})


def test_long() -> None:
    """As `test`, with the tests that take minutes."""
    os.environ[LONG] = "1"
    test()


def build_js() -> None:
    """Bundle the browser's part of the run view into `jupyter_ext/static`."""
    npm = shutil.which("npm")
    if npm is None:
        raise Stop("the bundle is made by npm, which is not here: install Node.js 18 or later")
    call(npm, "install", "--no-package-lock", "--no-audit", "--no-fund")
    call(sys.executable, ROOT / "jupyter_ext" / "build_js.py")


def docs() -> None:
    """Write `docs/services.md` and `docs/command-line.md` from the docstrings and commands."""
    call(environment(), ROOT / "docs" / "make_services.py")
    call(python(), ROOT / "docs" / "make_command_line.py")


COMMANDS = {
    "demo": demo, "lab": lab, "test": test, "test-long": test_long, "lint": lint, "build-js": build_js, "docs": docs,
}  # fmt: skip


def parse(argv: list[str]) -> str:
    """The command on the command line."""
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description=(__doc__ or "").split("\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<10} {fn.__doc__}" for name, fn in COMMANDS.items()),
    )
    parser.add_argument("command", choices=COMMANDS)
    return str(parser.parse_args(argv).command)


def main(argv: list[str]) -> int:
    """Do one command; 0 when all went well."""
    if sys.version_info < NEEDED:
        other = newer_python()
        if other:
            return subprocess.call([other, __file__, *argv])
        print(f"dev: this needs Python 3.11 or later and {sys.executable} is {sys.version.split()[0]}; install a newer")
        print("dev: one and name it, for example: make demo PYTHON=/path/to/python3.12")
        return 1
    command = parse(argv)
    try:
        COMMANDS[command]()
    except Stop as stop:
        print(f"dev: {stop}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
